// From the edge's configuration to the options of the HTTPS door.
import { randomUUID } from 'node:crypto';
import type { Count, Log } from '../../admin/index.ts';
import type { BanList } from '../../auth/index.ts';
import { HTTP_LIMITS } from '../../config/index.ts';
import type { EdgeConfig } from '../../config/index.ts';
import { type ClientLimits, type HeadLimits, type ServerLimits, USUAL_METHODS } from '../../http/index.ts';
import { DOOR_CIPHERS, DOOR_GROUPS } from '../door-tls.ts';
import { noteBreach } from './bans.ts';
import type { CoreLink, HttpsDoorOptions, OtherProtocol, WebSocketDoor } from '../https/index.ts';

const headLimits: HeadLimits = {
  maxHeadBytes: HTTP_LIMITS.maxInnerHeadBytes,
  maxTargetBytes: HTTP_LIMITS.maxTargetBytes,
  maxHeaders: HTTP_LIMITS.maxHeaders,
  maxHeaderNameBytes: HTTP_LIMITS.maxHeaderNameBytes,
};

function clientSide({ https }: EdgeConfig): ServerLimits {
  return {
    ...headLimits,
    maxHeadBytes: https.maxHead,
    methods: USUAL_METHODS,
    maxBodyBytes: https.maxBody,
    idleMs: https.idleTimeout,
    headMs: https.headerTimeout,
    bodyMs: https.bodyTimeout,
    minBodyBytes: HTTP_LIMITS.minBodyBytes,
    writeMs: HTTP_LIMITS.writeMs,
    lingerBytes: HTTP_LIMITS.lingerBytes,
    lingerMs: HTTP_LIMITS.lingerMs,
    maxBufferedBytes: HTTP_LIMITS.maxBufferedBytes,
    maxRequests: HTTP_LIMITS.maxRequestsPerConnection,
  };
}

function coreSide({ https }: EdgeConfig): ClientLimits {
  return {
    ...headLimits,
    responseMs: HTTP_LIMITS.responseMs,
    bodyMs: https.bodyTimeout,
    writeMs: HTTP_LIMITS.writeMs,
    maxBufferedBytes: HTTP_LIMITS.maxBufferedBytes,
    maxInterim: HTTP_LIMITS.maxInterim,
  };
}

/** Options of the HTTPS door; `cores` names those that are connected when it is called, `beside` who else is at its port. */
export function httpsDoorOptions(
  config: EdgeConfig,
  cores: () => readonly CoreLink[],
  bans: BanList,
  beside: { readonly other: OtherProtocol | undefined; readonly webSocket: WebSocketDoor | undefined },
  observers: { readonly log: Log; readonly count: Count },
): HttpsDoorOptions {
  const { certificate, edge, https, listen } = config;
  const clientAuthorities = https.clientAuthorities?.reveal();
  return {
    ...observers,
    address: listen.external,
    port: https.port,
    tls: {
      identity: { cert: certificate.chain.reveal(), key: certificate.key.reveal() },
      groups: DOOR_GROUPS,
      ciphers: DOOR_CIPHERS,
      minVersion: 'TLSv1.2',
      clientAuthorities,
    },
    edgeName: edge.name,
    hostNames: [edge.name, listen.external, config.announce ?? listen.external],
    admission: {
      maxConnections: https.maxConnections,
      maxConnectionsPerAddress: https.maxConnectionsPerAddress,
      maxHandshakes: HTTP_LIMITS.maxHandshakes,
      handshakeMs: https.handshakeTimeout,
    },
    client: clientSide(config),
    core: coreSide(config),
    channels: {
      maxChannels: https.maxChannels,
      maxWaiting: HTTP_LIMITS.maxWaitingForChannel,
      waitMs: HTTP_LIMITS.channelWaitMs,
      idleMs: HTTP_LIMITS.channelIdleMs,
    },
    retryAfterSeconds: HTTP_LIMITS.retryAfterSeconds,
    sweepMs: HTTP_LIMITS.sweepMs,
    ...beside,
    cores,
    admits: (address) => bans.find({ kind: 'address', address }) === undefined,
    refused: (address, reason) => noteBreach(bans, 'http-protocol', address, reason),
    now: () => performance.now(),
    newUuid: randomUUID,
  };
}
