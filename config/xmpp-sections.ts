// Messaging: what the edge's door and core's side may be set to. Off on both sides until the operator switches it on.
import { z } from 'zod';
import { coreFederation, edgeFederation } from './federation-sections.ts';
import { secret } from './secret.ts';
import { count, duration, hostName, port, size, toggle } from './units.ts';

export const edgeXmpp = z
  .strictObject({
    enabled: toggle(false).describe(
      'Open the door for messaging clients, and the link on which core takes their sessions. Core needs the same switch.',
    ),
    port: port(5222).describe(
      'TCP port for XMPP of clients: STARTTLS, and TLS from the first byte on the same port.',
    ),
    'max-connections': count(1, 1_000_000, 20_000).describe('Client connections open at once.'),
    'max-connections-per-address': count(1, 100_000, 1_000).describe(
      'Client connections open at once from one address. An office behind one NAT shares this.',
    ),
    'max-stanza': size('16 KiB', '4 MiB', '256 KiB').describe(
      'Largest stanza of a client that has signed in.',
    ),
    'max-rate': size('4 KiB', '1 GiB', '1 MiB').describe(
      'Bytes per second that one connection may sustain; above it the connection is left unread, not refused.',
    ),
    'sign-in-timeout': duration('5 s', '5 min', '30 s').describe(
      'Longest time from a new connection to a finished sign-in.',
    ),
    'idle-timeout': duration('1 min', '24 h', '1 h').describe(
      'Longest silence of a session in both directions.',
    ),
    certificates: z
      .array(
        z.strictObject({
          domain: hostName().describe('Domain that clients ask for by SNI.'),
          chain: secret().describe('PEM: certificate for the domain and its intermediates.'),
          key: secret().describe('PEM: private key of the certificate.'),
        }),
      )
      .max(1000)
      .default([])
      .describe(
        'Certificates of single domains at this door. A client that asks for another name is shown that of the edge.',
      ),
    websocket: z
      .strictObject({
        enabled: toggle(false).describe(
          'Take messaging clients in browsers at the HTTPS door, by WebSocket.',
        ),
        path: z
          .string()
          .regex(/^\/[A-Za-z0-9._~/-]{1,128}$/)
          .default('/xmpp-websocket')
          .meta({ allowed: 'a path of letters, digits, - . _ ~ and /' })
          .describe('Path of the WebSocket.'),
        origins: z
          .array(z.string().regex(/^https:\/\/[A-Za-z0-9.:[\]-]+$/))
          .max(256)
          .default([])
          .describe(
            'Sites whose pages may open it, as https://host or https://host:port. Programs that are no browser name none and may too.',
          ),
      })
      .prefault({})
      .describe('XMPP over WebSocket (RFC 7395). Needs the messaging door to be open.'),
    federation: edgeFederation,
  })
  .prefault({})
  .describe('The messaging (XMPP) door.');

export const coreXmpp = z
  .strictObject({
    enabled: toggle(false).describe(
      'Take sessions of messaging clients from the edges. Needs a static node of kind im-presence.',
    ),
    port: port(5222).describe('TCP port of the IM and Presence nodes. TLS by STARTTLS is required of them.'),
    'connect-timeout': duration('1 s', '60 s', '5 s').describe(
      'Longest time from dialling a node to its features after TLS; then the next node is tried.',
    ),
    'avoid-node': duration('1 s', '10 min', '30 s').describe(
      'How long a node that could not be reached is tried last.',
    ),
    'max-sessions': count(1, 1_000_000, 20_000).describe('Sessions at once.'),
    'max-sessions-per-user': count(1, 1_000, 10).describe('Sessions of one user at once, over all devices.'),
    'max-failed-sign-ins': count(2, 5, 3).describe('Failed sign-ins on one connection before it is closed.'),
    'peer-to-peer-files': toggle(false).describe(
      'Let clients offer files to each other directly. Off, an offer is answered with not-acceptable; files go through the managed file service on the HTTPS plane.',
    ),
    'allowed-namespaces': z
      .array(
        z.strictObject({
          deployment: z
            .string()
            .min(1)
            .max(64)
            .default('default')
            .meta({ allowed: 'a deployment that a domain names' })
            .describe('The deployment it is for.'),
          namespaces: z
            .array(z.string().min(1).max(256))
            .max(256)
            .describe(
              'XML namespaces that stanzas of its users may carry, besides those that every session needs.',
            ),
        }),
      )
      .max(64)
      .default([])
      .describe(
        'Deployments whose users may send only named kinds of content. A deployment that is not here may send all.',
      ),
    federation: coreFederation,
  })
  .prefault({})
  .describe('Messaging with IM and Presence.');
