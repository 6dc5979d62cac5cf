// From the `links` section to the options that both ends of a link share.
import { createHash } from 'node:crypto';
import { systemClock } from '../zones/clock.ts';
import type { LinkOptions } from '../zones/link-options.ts';
import type { TraversalZone } from '../zones/zone-file.ts';
import { LINK_LIMITS } from './limits.ts';
import { VERSION } from './version.ts';

/** The keys of `links` that edge and core have in common; times in milliseconds. */
interface SharedLinkSettings {
  readonly loginTimeout: number;
  readonly pingInterval: number;
  readonly deadAfter: number;
  readonly requestTimeout: number;
  readonly clockWarning: number;
  readonly expiryWarningDays: number;
  readonly maxChannels: number;
}

/** What both sides of a zone must agree on, as one short word for comparison. */
export function zoneDigest(zone: TraversalZone): string {
  const { name, id, authority, edges, cores, ports } = zone;
  const agreed = JSON.stringify({ name, id, authority: authority.trim(), edges, cores, ports });
  return createHash('sha256').update(agreed).digest('base64url').slice(0, 16);
}

/** Options of a link that do not depend on the side. */
export function linkOptions(
  links: SharedLinkSettings,
  zone: TraversalZone,
): Pick<LinkOptions, 'zone' | 'timing' | 'limits' | 'status' | 'software' | 'clock'> {
  return {
    zone,
    timing: {
      loginTimeoutMs: links.loginTimeout,
      pingIntervalMs: links.pingInterval,
      deadAfterMs: links.deadAfter,
      requestTimeoutMs: links.requestTimeout,
    },
    limits: {
      channels: {
        maxChannels: links.maxChannels,
        maxReceivedBytes: LINK_LIMITS.maxReceivedBytesPerChannel,
        maxReceivedBytesInAll: LINK_LIMITS.maxReceivedBytesPerLink,
        socketPauseBytes: LINK_LIMITS.socketPauseBytes,
      },
      maxQueuedBytes: LINK_LIMITS.maxQueuedBytes,
      maxControlQueuedBytes: LINK_LIMITS.maxControlQueuedBytes,
      maxOutstandingRequests: LINK_LIMITS.maxOutstandingRequests,
      maxHandledRequests: LINK_LIMITS.maxHandledRequests,
    },
    status: {
      clockWarnMs: links.clockWarning,
      expiryWarnDays: links.expiryWarningDays,
      configHash: zoneDigest(zone),
    },
    software: VERSION,
    clock: systemClock,
  };
}
