// From the edge's configuration to the options of the messaging door.
import { randomBytes } from 'node:crypto';
import type { Count, Log } from '../../admin/index.ts';
import type { BanList } from '../../auth/index.ts';
import { XMPP_LIMITS } from '../../config/index.ts';
import type { EdgeConfig } from '../../config/index.ts';
import { systemClock } from '../../zones/index.ts';
import { noteBreach } from './bans.ts';
import type { WebSocketDoor } from '../https/index.ts';
import type { EdgeXmpp, EdgeXmppOptions } from '../xmpp/index.ts';

const ID_BYTES = 16;

/** Options of the messaging door; undefined when it is off. */
export function edgeXmppOptions(
  config: EdgeConfig,
  bans: BanList,
  observers: { readonly log: Log; readonly count: Count },
): EdgeXmppOptions | undefined {
  const { certificate, edge, links, listen, xmpp } = config;
  if (!xmpp.enabled) return undefined;
  return {
    ...observers,
    webSocketOrigins: xmpp.websocket.enabled ? xmpp.websocket.origins : undefined,
    host: listen.external,
    port: xmpp.port,
    certificate: { chain: certificate.chain.reveal(), key: certificate.key.reveal() },
    domainCertificates: xmpp.certificates.map(({ domain, chain, key }) => ({
      domain,
      chain: chain.reveal(),
      key: key.reveal(),
    })),
    name: edge.name,
    maxConnections: xmpp.maxConnections,
    maxConnectionsPerAddress: xmpp.maxConnectionsPerAddress,
    maxHandshakes: XMPP_LIMITS.maxHandshakes,
    limits: {
      clear: XMPP_LIMITS.clear,
      signIn: XMPP_LIMITS.signIn,
      session: { ...XMPP_LIMITS.session, maxElementLength: xmpp.maxStanza },
      server: XMPP_LIMITS.server,
      maxBytesPerSecond: xmpp.maxRate,
      burstBytes: xmpp.maxRate * XMPP_LIMITS.burstSeconds,
      handshakeTimeoutMs: XMPP_LIMITS.handshakeTimeoutMs,
      signInTimeoutMs: xmpp.signInTimeout,
      idleTimeoutMs: xmpp.idleTimeout,
      writeTimeoutMs: XMPP_LIMITS.writeTimeoutMs,
      closeTimeoutMs: XMPP_LIMITS.closeTimeoutMs,
    },
    maxSessionsPerCore: xmpp.maxConnections,
    maxFrameBytes: XMPP_LIMITS.maxFrameBytes,
    link: { pingIntervalMs: links.pingInterval, deadAfterMs: links.deadAfter },
    admits: (address) => bans.find({ kind: 'address', address }) === undefined,
    onRefused: (reason, address) => noteBreach(bans, 'xmpp-protocol', address, reason),
    clock: systemClock,
    newId: () => randomBytes(ID_BYTES).toString('base64url'),
  };
}

/** What the HTTPS door hands over to messaging; undefined when that is off. */
export function webSocketDoor(
  { xmpp: { websocket } }: EdgeConfig,
  door: Pick<EdgeXmpp, 'onWebSocket'>,
): WebSocketDoor | undefined {
  if (!websocket.enabled) return undefined;
  return {
    path: websocket.path,
    take: ({ headers }, socket, address) => door.onWebSocket(headers, socket, address),
  };
}
