// The edge's TURN section: relayed addresses for clients that cannot reach each other (RFC 8656). Realm, relay range and
// limits have the defaults that operators of such edges know; the relay is off until somebody may use it.
import { isIP } from 'node:net';
import { z } from 'zod';
import { secret } from './secret.ts';
import { choice, count, duration, ipAddress, ipRange, port, portRange, size, toggle } from './units.ts';

const deployment = z
  .string()
  .min(1)
  .max(64)
  .meta({ allowed: 'a name of 1 to 64 characters' })
  .default('default')
  .describe('Name under which allocations are counted together against max-allocations-per-deployment.');

const user = z
  .strictObject({
    name: z.string().min(1).max(128).meta({ allowed: '1 to 128 characters' }).describe('User name.'),
    password: secret().describe('Password of the long-term credential.'),
    deployment,
  })
  .describe('A configured user, such as the one in the profile of ICE phones.');

const sharedSecret = z
  .strictObject({
    secret: secret().describe('The secret that the issuer of credentials has too.'),
    deployment,
  })
  .describe('Secret behind time-limited credentials.');

const tokenKey = z
  .strictObject({
    kid: z
      .string()
      .min(1)
      .max(64)
      .meta({ allowed: '1 to 64 characters' })
      .describe('Key id, which clients send as their user name.'),
    key: secret().describe('The key in base64: 32 bytes for A256GCM, 16 for A128GCM.'),
    algorithm: choice(['A256GCM', 'A128GCM'], 'A256GCM').describe('How tokens are sealed.'),
    deployment,
  })
  .describe('A key shared with the authorization server.');

const tokens = z
  .strictObject({
    'server-name': z
      .string()
      .min(1)
      .max(32)
      .meta({ allowed: '1 to 32 characters' })
      .describe(
        'Name of this relay at the authorization server; tokens for another name are refused. It is told to strangers, so it is bounded.',
      ),
    keys: z
      .array(tokenKey)
      .min(1)
      .meta({ allowed: 'at least one key' })
      .refine((keys) => new Set(keys.map(({ kid }) => kid)).size === keys.length, {
        error: 'have the same kid twice',
      })
      .describe('Keys that are good now: while one is changed, the old and the new.'),
  })
  .describe('Access tokens of an OAuth authorization server (RFC 7635).');

export const turnSection = z
  .strictObject({
    enabled: toggle(false).describe('Serve TURN on listen.external.'),
    realm: z
      .string()
      .min(1)
      .max(40)
      .meta({ allowed: '1 to 40 characters' })
      .default('TANDBERG')
      .describe('Realm told to clients. A long one makes answers to strangers larger, so it is bounded.'),
    port: port(3478).describe('UDP and TCP port.'),
    'tls-port': port(5349).describe('Port for TURN over TLS and DTLS, with the certificate of the edge.'),
    udp: toggle(true).describe('Serve clients over UDP.'),
    tcp: toggle(true).describe('Serve clients over TCP.'),
    tls: toggle(true).describe('Serve clients over TLS.'),
    dtls: toggle(true).describe(
      'Serve clients over DTLS 1.2 at the UDP port of tls-port, where the compiled parts of TURN are there.',
    ),
    'share-https-port': toggle(true).describe(
      'Serve clients over TLS at https.port too, told from HTTPS by ALPN (stun.turn, stun.nat-discovery) or by their first byte: for networks that let nothing else out.',
    ),
    'relay-ports': portRange(1024, 65535, '24000-29999').describe('UDP ports of relayed addresses.'),
    'relay-ipv6': ipAddress()
      .optional()
      .describe(
        'IPv6 address for relayed addresses beside those of listen.external, bound and announced as it is.',
      ),
    'max-allocations': count(1, 6_000, 1_800).describe(
      'Relays open at once; at 80 % and 100 % the log and the status say so. 1800 suits a medium machine, 6000 a large one.',
    ),
    'max-allocations-per-user': count(1, 6_000, 100).describe(
      'Relays open at once of one user; a call takes up to six. Phones that share one account share this too.',
    ),
    'max-allocations-per-deployment': count(1, 6_000, 1_800).describe(
      'Relays open at once of all users and secrets with one deployment name.',
    ),
    'max-lifetime': duration('10 min', '24 h', '1 h').describe(
      'Longest lifetime granted between two refreshes.',
    ),
    'max-age': duration('10 min', '30 d', '24 h').describe(
      'An allocation ends at this age, however often it is refreshed.',
    ),
    'max-credential-lifetime': duration('1 min', '30 d', '24 h').describe(
      'A time-limited credential that would live longer than this is refused.',
    ),
    'clock-skew': duration('0 s', '10 min', '30 s').describe(
      'How far the clock of the issuer of time-limited credentials may be off.',
    ),
    'unauthenticated-binding': toggle(false).describe(
      'Answer STUN Binding requests of anybody. Off, as Expressway is from X12.6.1: they need credentials too.',
    ),
    'rfc5766-channels': toggle(false).describe(
      'Accept channels up to 0x7FFE, which clients older than RFC 8656 may draw.',
    ),
    'refusals-per-second-per-address': count(1, 60_000, 200).describe(
      'Answers per second to unproven requests from one IPv4 address or IPv6 /64. An office behind one NAT shares this.',
    ),
    'max-connections': count(1, 1_000_000, 4_000).describe('TCP and TLS connections open at once.'),
    'max-connections-per-address': count(1, 100_000, 1_000).describe(
      'TCP and TLS connections open at once from one address.',
    ),
    'tcp-allocations': toggle(true).describe(
      'Relay TCP connections to peers too (RFC 6062), where the compiled parts of TURN are there.',
    ),
    'max-peer-connections': count(1, 100_000, 1_000).describe(
      'Connections between relayed addresses and peers of all TCP allocations; one allocation may have 16 of them.',
    ),
    'max-queue': size('16 KiB', '16 MiB', '256 KiB').describe(
      'Bytes waiting for one client on TCP or TLS; beyond it media is dropped as a full network would.',
    ),
    allow: z
      .array(ipRange())
      .default([])
      .describe(
        'Ranges that may be relayed to although they are private, local or otherwise special. Name hosts of media only.',
      ),
    deny: z
      .array(ipRange())
      .default([])
      .describe(
        'Ranges that are never relayed to, besides all special-purpose ranges and the own addresses: inside nodes with public addresses belong here.',
      ),
    alternates: z
      .array(
        z.strictObject({
          address: ipAddress().describe('Address of another TURN server.'),
          port: port(3478).describe('Its port.'),
        }),
      )
      .default([])
      .describe('Servers that new clients are sent to when this one is full.'),
    peers: z
      .array(
        z
          .strictObject({
            announce: ipAddress().describe('Address that its relayed addresses are announced with.'),
            address: ipAddress().describe(
              'Address of the same family by which this edge reaches it, such as the one in the DMZ; the same where no NAT is between.',
            ),
            port: port(3478).describe('Its port for new clients.'),
          })
          .refine(({ announce, address }) => isIP(announce) === isIP(address), {
            path: ['address'],
            error: 'is of another family than announce',
          }),
      )
      .default([])
      .describe(
        'The other edges of the cluster, with the same relay-ports: relays here and there reach each other without leaving the DMZ, and clients are sent there when this one is full.',
      ),
    users: z.array(user).default([]).describe('Configured users.'),
    tokens: tokens.optional(),
    secrets: z
      .array(sharedSecret)
      .default([])
      .describe('Secrets of time-limited credentials; while one is changed, the new one stands first.'),
  })
  .refine(
    ({ enabled, users, secrets, tokens: some }) => !enabled || users.length + secrets.length > 0 || some,
    {
      path: ['users'],
      error: 'is empty and so are secrets and tokens: nobody could use the relay',
    },
  )
  .refine(({ users }) => new Set(users.map(({ name }) => name)).size === users.length, {
    path: ['users'],
    error: 'has the same name twice',
  })
  .prefault({})
  .describe('TURN: relayed addresses for clients that cannot reach each other.');
