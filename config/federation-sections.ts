// Federation with other messaging domains: the door of the edge, and the policy, which is core's. Off until switched on.
import { z } from 'zod';
import { secret } from './secret.ts';
import {
  choice,
  count,
  duration,
  host,
  hostName,
  ipAddress,
  ipRange,
  isNameServer,
  port,
  size,
  toggle,
} from './units.ts';

/** What core tells an edge must fit one message of the control channel (64 KiB). */
const MAX_POLICY_CHARACTERS = 56 * 1024;

const certificate = z.strictObject({
  chain: secret().describe('PEM: certificate and its intermediates.'),
  key: secret().describe('PEM: private key.'),
});

const nameServer = z
  .string()
  .refine(isNameServer, { error: (issue) => `${JSON.stringify(issue.input)} is no name server` })
  .meta({ allowed: 'ADDRESS, IPV4:PORT or [IPV6]:PORT' });

export const edgeFederation = z
  .strictObject({
    enabled: toggle(false).describe(
      'Open the door for servers of partner domains. Needs xmpp.enabled, whose link it uses, and the same switch at core, which says who is a partner.',
    ),
    port: port(5269).describe(
      'TCP port for XMPP between servers: STARTTLS, and TLS from the first byte on the same port.',
    ),
    certificate: certificate
      .optional()
      .describe(
        'Certificate that names our federated domains; partners check it. Default: the certificate of the edge.',
      ),
    authorities: secret()
      .optional()
      .describe('PEM: certificate authorities that sign partners’ certificates. Default: the system’s.'),
    'dialback-secret': secret()
      .optional()
      .describe(
        'What dialback keys are made of, the same at every edge. Default: a random one, which is enough for a single edge.',
      ),
    'dns-servers': z
      .array(nameServer)
      .max(5)
      .default([])
      .describe('Name servers asked for partners’ servers. Default: the system’s resolver.'),
    'allow-targets': z
      .array(ipRange())
      .max(100)
      .default([])
      .describe(
        'Addresses where a partner’s server may be although they are private. Everything private or special is refused otherwise, whatever DNS says.',
      ),
    'deny-targets': z
      .array(ipRange())
      .max(100)
      .default([])
      .describe(
        'Addresses where no partner’s server is ever looked for: inside nodes with public addresses.',
      ),
    'max-connections': count(1, 100_000, 2_000).describe('Connections from partners open at once.'),
    'max-connections-per-address': count(1, 100_000, 50).describe(
      'Connections from partners open at once from one address. A hoster of many domains needs one for each pair of domains.',
    ),
    'max-streams': count(1, 100_000, 2_000).describe('Connections to partners open at once.'),
    'max-pairs-per-connection': count(1, 1_000, 16).describe(
      'Pairs of domains that a partner may carry on one connection.',
    ),
    'max-stanza': size('16 KiB', '4 MiB', '256 KiB').describe('Largest stanza of a partner.'),
    'max-rate': size('4 KiB', '1 GiB', '4 MiB').describe(
      'Bytes per second that one partner’s connection may sustain; above it the connection is left unread, not refused.',
    ),
    'sign-in-timeout': duration('5 s', '5 min', '30 s').describe(
      'Longest time from a new connection, in either direction, to a proven domain.',
    ),
    'idle-timeout': duration('1 min', '24 h', '1 h').describe('Longest silence of a partner’s connection.'),
  })
  .prefault({})
  .describe('Federation: the door for servers of partner domains.');

const partner = z.strictObject({
  name: hostName().describe('Domain of the partner.'),
  subdomains: toggle(false).describe(
    'Whether domains below it are partners too, such as the one of its group chat.',
  ),
  dialback: choice(['off', 'to-partner', 'both'], 'off').describe(
    'Server dialback, which trusts DNS: never; so that we can prove ourselves to a partner that does not take our certificate, while its own must be good; or both ways, where the partner has no good certificate.',
  ),
  route: z
    .strictObject({
      host: host().describe('Server of the partner.'),
      port: port(5269).describe('Its port.'),
    })
    .optional()
    .describe('Static route: where its server is. Default: looked up in DNS.'),
});

export const coreFederation = z
  .strictObject({
    enabled: toggle(false).describe('Federate. Needs xmpp.enabled and the same switch at the edges.'),
    domains: z
      .array(hostName())
      .max(200)
      .default([])
      .describe(
        'Our domains that federate: those of users, each named under `domains`, and those of services below them, such as conference.example.com.',
      ),
    mode: choice(['allow-list', 'deny-list'], 'allow-list').describe(
      'Who is a partner: only those listed, or every domain that is not denied.',
    ),
    partners: z.array(partner).max(300).default([]).describe('Partners, and what is special about them.'),
    denied: z
      .array(hostName())
      .max(300)
      .default([])
      .describe('Domains that are never partners, with everything below them.'),
    address: ipAddress()
      .optional()
      .describe(
        'Where core listens for the messaging servers inside: their DNS must lead partners’ domains here. Default: sip.address.',
      ),
    port: port(5269).describe('Its port.'),
    'node-port': port(5269).describe(
      'Port for servers of the IM and Presence nodes. TLS is required of them.',
    ),
    certificate: certificate
      .optional()
      .describe(
        'Certificate shown to the nodes. One that names the partners spares them dialback. Needed to federate.',
      ),
    'max-waiting': size('64 KiB', '64 MiB', '1 MiB').describe(
      'Stanzas that may wait for one pair of domains while its stream is being opened; beyond it they go back to the sender.',
    ),
    'retry-first': duration('1 s', '10 min', '5 s').describe(
      'Pause after a partner or node could not be reached; stanzas go back to their senders meanwhile.',
    ),
    'retry-most': duration('1 s', '1 h', '5 min').describe('The same after many failures in a row.'),
    'idle-timeout': duration('1 min', '24 h', '15 min').describe(
      'A stream without stanzas for this long is closed.',
    ),
    'dial-timeout': duration('5 s', '5 min', '40 s').describe(
      'Longest time for an edge to reach a partner; then the stanzas go back.',
    ),
    'sign-in-timeout': duration('5 s', '5 min', '30 s').describe(
      'Longest time from a new connection, to or from a node, to a proven domain.',
    ),
    'max-pairs': count(10, 1_000_000, 10_000).describe('Pairs of domains with stanzas under way at once.'),
    'max-streams': count(1, 100_000, 4_000).describe('Streams that edges may bring from partners at once.'),
    'max-connections': count(1, 100_000, 2_000).describe('Connections of nodes open at once.'),
  })
  .refine(({ certificate: shown, enabled }) => !enabled || shown !== undefined, {
    path: ['certificate'],
    error: 'is needed to federate: the nodes require TLS',
  })
  .refine(
    ({ denied, domains, partners }) =>
      JSON.stringify([denied, domains, partners]).length <= MAX_POLICY_CHARACTERS,
    {
      path: ['partners'],
      error: 'is too much to tell an edge at once: list fewer partners, or use subdomains',
    },
  )
  .prefault({})
  .describe('Federation with other messaging domains.');
