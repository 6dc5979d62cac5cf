// From core's configuration to the options of the media plane.
import { randomBytes, randomInt } from 'node:crypto';
import type { Count, Log } from '../../admin/index.ts';
import { MEDIA_LIMITS } from '../../config/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import { openEngine } from '../../media/index.ts';
import { systemClock } from '../../zones/index.ts';
import type { CoreMediaOptions } from '../media/index.ts';
import type { Resolve } from './resolver.ts';

type MediaCall = Parameters<CoreMediaOptions['onInactive']>[0];
type MediaEvents = Pick<CoreMediaOptions, 'reportMedia' | 'onInactive' | 'onLost' | 'onIceCall'>;

/** Options of the media plane. */
export function coreMediaOptions(
  config: CoreConfig,
  events: MediaEvents,
  resolve: Resolve,
  observers: { readonly log: Log; readonly count: Count },
): CoreMediaOptions {
  const { links, media, sip, traversalZones } = config;
  return {
    ...observers,
    ...events,
    createEngine: (onEvent) => {
      const { engine, what } = openEngine(
        MEDIA_LIMITS,
        MEDIA_LIMITS.engineSweepMs,
        onEvent,
        media.engine,
        media.shards,
      );
      observers.log.info({ engine: engine.kind }, what);
      return engine;
    },
    insideAddress: sip.address,
    linkAddress: links.localAddress ?? sip.address,
    firstPort: media.ports.first,
    lastPort: media.ports.last,
    portQuarantineMs: MEDIA_LIMITS.portQuarantineMs,
    insideEncryption: media.insideEncryption,
    dscp: media.dscp,
    timeOfDay: () => Date.now(),
    deniedCandidates: [...MEDIA_LIMITS.deniedCandidates, ...media.deniedCandidates],
    inactivityMs: media.inactivityTimeout,
    helloIntervalMs: MEDIA_LIMITS.helloIntervalMs,
    linkDeadMs: MEDIA_LIMITS.linkDeadMs,
    linkRebindMs: MEDIA_LIMITS.linkRebindMs,
    requestTimeoutMs: links.requestTimeout,
    maxSessions: MEDIA_LIMITS.maxSessions,
    maxSessionsPerKey: sip.maxCallsPerUser,
    now: () => performance.now(),
    after: (ms, action) => systemClock.after(ms, action),
    randomBelow: randomInt,
    randomBytes,
    locateEdge: async (name) => {
      for (const zone of traversalZones) {
        const edge = zone.edges.find((candidate) => candidate.name === name);
        if (edge === undefined) continue;
        const [address] = await resolve(edge.address);
        return address === undefined ? undefined : { address, ports: zone.ports.media };
      }
      return undefined;
    },
  };
}

/** What becomes of a call without one good packet: it is told and counted, and ended where the configuration says so. */
export function inactivity(
  rule: CoreConfig['media']['onInactivity'],
  { log, count }: { readonly log: Log; readonly count: Count },
  endCall: (call: MediaCall, reason: string) => void,
): (call: MediaCall) => void {
  return ({ callId, key }) => {
    count('media-inactive', rule === 'end' ? 'ended' : 'reported');
    log.warn({ callId, aor: key, rule }, 'a call has no media in either direction');
    if (rule === 'end') endCall({ callId, key }, 'No Media');
  };
}
