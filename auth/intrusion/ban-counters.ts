// How often whom has failed within a window, before there is a ban. Counted in this process, or in the shared store, so that
// an offender who spreads over the cores of a cluster, or waits for a restart, has one count. A store that fails costs
// sharing, never counting: this process then counts for itself. Bounded by `maxCounters`; the oldest goes first.

/** Counters by key; each ends `windowMs` after its first failure. */
export interface BanCounters {
  /** Adds one and says how many there are; never rejects. */
  add(key: string, windowMs: number): number | Promise<number>;
  forget(key: string): void;
}

/** What of the store counting needs. */
export interface CounterStore {
  increment(key: string, ttlMs: number): Promise<number>;
  delete(key: string): Promise<boolean>;
}

interface LocalOptions {
  readonly maxCounters: number;
  readonly now: () => number;
  readonly count: (event: string, reason?: string) => void;
}

/** Counters of this process alone. */
export function createLocalCounters(options: LocalOptions): BanCounters {
  const counters = new Map<string, { failures: number; readonly until: number }>();
  return {
    add(key, windowMs) {
      const now = options.now();
      const known = counters.get(key);
      if (known !== undefined && now < known.until) return (known.failures += 1);
      counters.delete(key);
      counters.set(key, { failures: 1, until: now + windowMs });
      if (counters.size > options.maxCounters) {
        const oldest = counters.keys().next().value;
        if (oldest !== undefined) counters.delete(oldest);
        options.count('ban-counters-full');
      }
      return 1;
    },
    forget: (key) => void counters.delete(key),
  };
}

/** Counters in the store; `onFailure` hears why one was counted here alone. */
export function createSharedCounters(
  store: CounterStore,
  options: LocalOptions & { readonly onFailure: (error: unknown) => void },
): BanCounters {
  const local = createLocalCounters(options);
  const failed = (error: unknown): void => {
    options.count('ban-store-failed', 'count');
    options.onFailure(error);
  };
  return {
    add: (key, windowMs) =>
      store.increment(key, windowMs).catch((error: unknown) => {
        failed(error);
        return local.add(key, windowMs);
      }),
    forget(key) {
      local.forget(key);
      store.delete(key).catch(failed);
    },
  };
}
