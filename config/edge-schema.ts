// The edge's configuration file: the process in the DMZ. It holds no policy and no credential of call control; what
// it may do is decided by core. Every key has its prose, default, unit and range here and nowhere else.
import { z } from 'zod';
import { edgeLinks } from './link-sections.ts';
import { secret } from './secret.ts';
import { intrusionSection, nftables } from './intrusion-section.ts';
import {
  adminSection,
  hasSections,
  logSection,
  mediaDscp,
  mediaEngine,
  mediaShards,
  zoneFiles,
} from './sections.ts';
import { turnSection } from './turn-section.ts';
import { count, duration, hostName, ipAddress, mediaPortRange, port, size } from './units.ts';
import { edgeXmpp } from './xmpp-sections.ts';

const https = z
  .strictObject({
    port: port(8443).describe('TCP port for HTTPS of clients.'),
    'max-connections': count(1, 1_000_000, 20_000).describe('Client connections open at once.'),
    'max-connections-per-address': count(1, 100_000, 1_000).describe(
      'Client connections open at once from one address. An office behind one NAT shares this.',
    ),
    'handshake-timeout': duration('1 s', '60 s', '10 s').describe('Longest TLS handshake.'),
    'header-timeout': duration('1 s', '60 s', '10 s').describe(
      'Longest time from first to last byte of a request head.',
    ),
    'idle-timeout': duration('1 s', '1 h', '60 s').describe('Longest silence between two requests.'),
    'body-timeout': duration('1 s', '1 h', '60 s').describe(
      'Longest silence inside a request or response body.',
    ),
    'max-head': size('1 KiB', '128 KiB', '32 KiB').describe('Largest request head.'),
    'max-body': size('1 KiB', '100 GiB', '4 GiB').describe('Largest request body.'),
    'client-authorities': secret()
      .optional()
      .describe(
        'PEM: authorities of devices that prove themselves by certificate, such as manufacturer-installed ones at onboarding. With it every client is asked for a certificate, and those without go on without. Default: nobody is asked.',
      ),
    'max-channels': count(1, 10_000, 256).describe('SSH channels for requests open at once to one core.'),
  })
  .prefault({})
  .describe('The HTTPS door: discovery, sign-in, settings and the proxy lanes.');

const sip = z
  .strictObject({
    port: port(5061).describe('TCP port for SIP over TLS of clients.'),
    'max-connections': count(1, 1_000_000, 20_000).describe('Client connections open at once.'),
    'max-connections-per-address': count(1, 100_000, 1_000).describe(
      'Client connections open at once from one address.',
    ),
    'handshake-timeout': duration('1 s', '60 s', '10 s').describe('Longest TLS handshake.'),
    'first-message-timeout': duration('1 s', '120 s', '18 s').describe(
      'Longest time from the TLS handshake to the first SIP message; then the connection is closed.',
    ),
    'idle-timeout': duration('30 s', '24 h', '15 min').describe(
      'Longest silence of a connection that has spoken.',
    ),
    'max-message': size('4 KiB', '1 MiB', '32 KiB').describe('Largest SIP message.'),
    'hop-count': count(1, 70, 15).describe(
      'Most hops a request may still go: Max-Forwards is lowered to this.',
    ),
    'setup-timeout': duration('10 s', '10 min', '180 s').describe(
      'Longest ringing time before a call is given up.',
    ),
    'max-messages-per-second': count(1, 100_000, 100).describe(
      'Messages per second that one connection may sustain.',
    ),
  })
  .prefault({})
  .describe('The SIP door.');

const media = z
  .strictObject({
    engine: mediaEngine,
    shards: mediaShards,
    dscp: mediaDscp,
    ports: mediaPortRange('36002-59999').describe('UDP ports handed to clients for media.'),
    'idle-timeout': duration('10 s', '1 h', '120 s').describe(
      'A stream without packets for this long is closed.',
    ),
    'link-lost-grace': duration('1 s', '10 min', '30 s').describe(
      'How long the streams of a core whose control link died are kept for its return.',
    ),
  })
  .prefault({})
  .describe('Media relay between clients and core.');

export const edgeSchema = z
  .strictObject({
    edge: z
      .strictObject({
        name: hostName().describe(
          'Public name of this edge: the target of the _collab-edge SRV record. The certificate must cover it.',
        ),
      })
      .describe('Who this edge is.'),
    zones: zoneFiles,
    listen: z
      .strictObject({
        external: ipAddress().default('0.0.0.0').describe('Address that clients reach: HTTPS, SIP, media.'),
        internal: ipAddress()
          .default('0.0.0.0')
          .describe('Address that core dials: SSH, SIP/TLS, media link.'),
      })
      .prefault({})
      .describe('Addresses to listen on.'),
    announce: ipAddress()
      .optional()
      .describe(
        'Media address told to clients: the public one where a static NAT stands before edge. Default: listen.external, which then must be a real address.',
      ),
    certificate: z
      .strictObject({
        chain: secret().describe('PEM: server certificate and its intermediates.'),
        key: secret().describe('PEM: private key of the certificate.'),
      })
      .describe(
        'Public server certificate, from any CA. It has nothing to do with the identity of the pair.',
      ),
    links: edgeLinks,
    https,
    sip,
    media,
    turn: turnSection,
    'intrusion-protection': intrusionSection(
      {
        'http-protocol': [true, 'Requests that are no HTTP, from one address.'],
        'sip-protocol': [false, 'Messages that are no SIP and forged flow tokens, from one address.'],
        'sip-auth': [
          false,
          'Refused REGISTERs with credentials, of one user at one address; one success takes them back.',
        ],
        'ssh-auth': [
          true,
          'Logins on 2222 under a name that no core has, or with a wrong signature, from one address.',
        ],
        'ssh-protocol': [true, 'What is no SSH, or no SSH of a core, on 2222, from one address.'],
        'turn-auth': [true, 'Wrong TURN credentials of one user at one address.'],
        'xmpp-protocol': [false, 'Streams that are no XML or carry forbidden XML, from one address.'],
      },
      { nftables },
    ),
    xmpp: edgeXmpp,
    admin: adminSection,
    log: logSection,
  })
  .refine(({ announce, listen }) => announce !== undefined || !['0.0.0.0', '::'].includes(listen.external), {
    path: ['announce'],
    error: 'is needed when listen.external is the wildcard address: clients must be told where to send media',
    when: ({ value }) => hasSections(value, ['listen']),
  })
  .refine(({ xmpp }) => !xmpp.federation.enabled || xmpp.enabled, {
    path: ['xmpp', 'federation', 'enabled'],
    error: 'needs xmpp.enabled, whose link it uses',
    when: ({ value }) => hasSections(value, ['xmpp']),
  })
  .describe('Configuration of a Viaduct edge.');
