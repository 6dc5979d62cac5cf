// From the edge's configuration to the options of the SIP door.
import { randomBytes, randomUUID } from 'node:crypto';
import type { Count, Log } from '../../admin/index.ts';
import type { BanList } from '../../auth/index.ts';
import { SIP_LIMITS } from '../../config/index.ts';
import type { EdgeConfig } from '../../config/index.ts';
import { systemClock } from '../../sip/index.ts';
import { answerBinding } from '../../turn/index.ts';
import { noteBreach, sipSignIns } from './bans.ts';
import type { EdgeSipOptions } from '../sip/index.ts';

/** Options of the SIP door. */
export function edgeSipOptions(
  config: EdgeConfig,
  bans: BanList,
  observers: { readonly log: Log; readonly count: Count },
): EdgeSipOptions {
  const { certificate, edge, links, listen, sip, traversalZones } = config;
  return {
    ...observers,
    listen: { host: listen.external, port: sip.port },
    certificate: { chain: certificate.chain.reveal(), key: certificate.key.reveal() },
    name: traversalZones[0]?.self.name ?? edge.name,
    announced: { host: edge.name, port: sip.port },
    aliases: [config.announce ?? listen.external, listen.external],
    zones: traversalZones.map(({ name, id }) => ({ name, zoneId: id })),
    clientZoneId: undefined,
    hopCount: sip.hopCount,
    maxConnections: sip.maxConnections,
    maxConnectionsPerAddress: sip.maxConnectionsPerAddress,
    maxHandshakes: SIP_LIMITS.maxHandshakes,
    maxUnproven: SIP_LIMITS.maxUnproven,
    maxMessageBytes: sip.maxMessage,
    maxHeaderLines: SIP_LIMITS.maxHeaderLines,
    maxMessagesPerSecond: sip.maxMessagesPerSecond,
    maxPendingPerConnection: SIP_LIMITS.maxPendingPerConnection,
    maxPendingUnproven: SIP_LIMITS.maxPendingUnproven,
    maxQueueBytes: SIP_LIMITS.maxQueueBytes,
    maxQueueBytesUnproven: SIP_LIMITS.maxQueueBytesUnproven,
    maxUnacknowledged: SIP_LIMITS.maxUnacknowledged,
    maxTransactions: SIP_LIMITS.maxTransactions,
    handshakeTimeoutMs: sip.handshakeTimeout,
    firstMessageTimeoutMs: sip.firstMessageTimeout,
    unprovenTimeoutMs: SIP_LIMITS.unprovenTimeoutMs,
    idleTimeoutMs: sip.idleTimeout,
    closeTimeoutMs: SIP_LIMITS.closeTimeoutMs,
    setupTimeoutMs: sip.setupTimeout,
    rehomeAfterMs: SIP_LIMITS.rehomeAfterMs,
    maxRehomedPerSecond: SIP_LIMITS.maxRehomedPerSecond,
    ...SIP_LIMITS.linkWait,
    ...SIP_LIMITS.lines,
    linkKeepalive: { pingIntervalMs: links.pingInterval, deadAfterMs: links.deadAfter },
    clock: systemClock,
    random: randomBytes,
    randomUuid: randomUUID,
    answerStun: answerBinding,
    admits: (address) => bans.find({ kind: 'address', address }) === undefined,
    onRefused: (kind, address) => noteBreach(bans, 'sip-protocol', address, kind),
    signIns: sipSignIns(bans),
  };
}
