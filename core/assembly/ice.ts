// The counters of ICE passthrough: each call on the metrics page, each interval of 24 hours in the store, so that the
// sixty that the guide promises outlive a restart.
import type { Count } from '../../admin/index.ts';
import { MEDIA_LIMITS, STORE_LIMITS } from '../../config/index.ts';
import type { StoreSpace } from '../../zones/index.ts';
import { IceMetrics, readInterval, type IceCallSummary } from '../media/index.ts';
import type { CoreState } from './state.ts';

export interface IceCounters {
  /** Brings back the intervals of earlier lives. */
  open(): Promise<void>;
  ended(call: IceCallSummary): void;
  status(): object;
}

/** Counters whose past is in the store. */
export function iceCounters(state: CoreState, count: Count): IceCounters {
  const { iceIntervalMs: intervalMs, maxIceIntervals: maxIntervals } = MEDIA_LIMITS;
  const space: StoreSpace = state.store.namespace('ice-intervals', {
    maxEntries: maxIntervals + 1,
    maxEntryLength: STORE_LIMITS.maxEntryLength,
    whenFull: 'evict',
    durable: true,
  });
  const metrics = new IceMetrics({
    intervalMs,
    maxIntervals,
    nowMs: () => performance.timeOrigin + performance.now(),
    onInterval: (interval) => {
      const kept = space.set(String(interval.startMs), JSON.stringify(interval), intervalMs * maxIntervals);
      kept.catch(() => count('ice-interval-lost'));
    },
  });
  return {
    open: async () => {
      const stored = (await space.entries()).map(([, text]) => readInterval(text));
      metrics.restore(stored.filter((interval) => interval !== undefined));
    },
    ended: (call) => {
      count('ice-call', call.type);
      metrics.ended(call);
    },
    status: () => ({ now: metrics.current(), history: metrics.history() }),
  };
}
