// From the edge's configuration to the options of the media relay.
import { randomInt } from 'node:crypto';
import type { Count, Log } from '../../admin/index.ts';
import { MEDIA_LIMITS } from '../../config/index.ts';
import type { EdgeConfig } from '../../config/index.ts';
import { openEngine } from '../../media/index.ts';
import { systemClock } from '../../zones/index.ts';
import type { EdgeMediaOptions } from '../media/index.ts';

/** Options of the media relay. */
export function edgeMediaOptions(
  config: EdgeConfig,
  reportMedia: EdgeMediaOptions['reportMedia'],
  observers: { readonly log: Log; readonly count: Count },
): EdgeMediaOptions {
  const { listen, media, traversalZones } = config;
  return {
    ...observers,
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
    boundAddress: listen.external,
    announcedAddress: config.announce ?? listen.external,
    linkAddress: listen.internal,
    linkPorts: [...new Set(traversalZones.flatMap((zone) => zone.ports.media))],
    firstPort: media.ports.first,
    lastPort: media.ports.last,
    portQuarantineMs: MEDIA_LIMITS.portQuarantineMs,
    dscp: media.dscp,
    maxPendingSources: MEDIA_LIMITS.maxPendingSources,
    probePacketsPerSecond: MEDIA_LIMITS.probePacketsPerSecond,
    maxStreamsPerSession: MEDIA_LIMITS.maxStreamsPerSession,
    maxSessionsPerCore: MEDIA_LIMITS.maxSessions,
    idleAfterMs: media.idleTimeout,
    controlLostGraceMs: media.linkLostGrace,
    linkDeadMs: MEDIA_LIMITS.linkDeadMs,
    now: () => performance.now(),
    after: (ms, action) => systemClock.after(ms, action),
    randomBelow: randomInt,
    reportMedia,
  };
}
