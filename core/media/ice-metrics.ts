// Counters of ICE passthrough per 24 hours, sixty intervals kept, as the deployment guide has them (X14.3, "View ICE
// Passthrough Metrics in Expressway-C"): completed calls, raw values, most recent first; an interval begins at the time
// of day at which the process was started. No timer: an interval ends when somebody looks or counts after its end.
import { ICE_CALL_TYPES, type IceCallSummary, type IceCallType } from './ice-call.ts';

/** Calls of one interval. Times are wall-clock milliseconds. */
export interface IceInterval {
  readonly startMs: number;
  readonly endMs: number;
  readonly connected: number;
  /** By the pair that carried their media; `none` is not one of the six types. */
  readonly types: Readonly<Record<Exclude<IceCallType, 'none'>, number>>;
  readonly optimized: number;
  /** Calls with candidates of at least one end whose media stayed on the traversal path. */
  readonly notOptimized: number;
  readonly configured: number;
  readonly offered: number;
  readonly offeredByOne: number;
  readonly withoutCandidates: number;
  readonly offeredUnconfigured: number;
}

export interface IceMetricsOptions {
  readonly intervalMs: number;
  readonly maxIntervals: number;
  readonly nowMs: () => number;
  /** An interval is over: for whoever keeps it longer than the process lives. */
  readonly onInterval?: (interval: IceInterval) => void;
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Counting = Mutable<Omit<IceInterval, 'types'>> & { types: Mutable<IceInterval['types']> };

export class IceMetrics {
  readonly #options: IceMetricsOptions;
  readonly #past: IceInterval[] = [];
  #current: Counting;

  constructor(options: IceMetricsOptions) {
    this.#options = options;
    this.#current = emptyInterval(options.nowMs(), options.intervalMs);
  }

  /** Puts back intervals of earlier lives, in any order. */
  restore(past: readonly IceInterval[]): void {
    this.#past.push(...past);
    this.#past.sort((one, other) => other.startMs - one.startMs);
    this.#past.length = Math.min(this.#past.length, this.#options.maxIntervals);
  }

  /** A connected call is over. */
  ended({ isConfigured, offers, type }: IceCallSummary): void {
    this.#roll();
    const now = this.#current;
    now.connected += 1;
    if (isConfigured) now.configured += 1;
    if (offers === 0) now.withoutCandidates += 1;
    else now.offered += 1;
    if (offers === 1) now.offeredByOne += 1;
    if (offers > 0 && !isConfigured) now.offeredUnconfigured += 1;
    if (type !== 'none') {
      now.types[type] += 1;
      now.optimized += 1;
    } else if (offers > 0) now.notOptimized += 1;
  }

  /** The interval under way. */
  current(): IceInterval {
    this.#roll();
    return structuredClone(this.#current);
  }

  /** Whole intervals, most recent first. */
  history(): readonly IceInterval[] {
    this.#roll();
    return this.#past;
  }

  #roll(): void {
    const { intervalMs, maxIntervals, nowMs, onInterval } = this.#options;
    const now = nowMs();
    const passed = Math.floor((now - this.#current.startMs) / intervalMs);
    if (passed < 1) return;
    // A machine that slept for a year has sixty empty days, not a year of them.
    for (let step = 0; step < Math.min(passed, maxIntervals + 1); step++) {
      this.#past.unshift(this.#current);
      onInterval?.(this.#current);
      const skips = step === 0 ? Math.max(0, passed - maxIntervals - 1) : 0;
      this.#current = emptyInterval(this.#current.endMs + skips * intervalMs, intervalMs);
    }
    this.#past.length = Math.min(this.#past.length, maxIntervals);
  }
}

/** An interval that was kept as JSON; undefined when it is not one of ours. */
export function readInterval(text: string): IceInterval | undefined {
  const model: object = emptyInterval(0, 0);
  try {
    const read: unknown = JSON.parse(text);
    return isLike(read, model) ? (read as IceInterval) : undefined;
  } catch {
    return undefined;
  }
}

/** Has every number that `model` has, and nothing else in their place. */
function isLike(read: unknown, model: object): boolean {
  if (typeof read !== 'object' || read === null) return false;
  return Object.entries(model).every(([name, value]: [string, unknown]) => {
    const own: unknown = (read as Record<string, unknown>)[name];
    return typeof value === 'object' && value !== null
      ? isLike(own, value)
      : typeof own === 'number' && Number.isFinite(own);
  });
}

function emptyInterval(startMs: number, intervalMs: number): Counting {
  const types = ICE_CALL_TYPES.filter((type) => type !== 'none').map((type) => [type, 0] as const);
  return {
    startMs,
    endMs: startMs + intervalMs,
    connected: 0,
    types: Object.fromEntries(types) as Counting['types'],
    optimized: 0,
    notOptimized: 0,
    configured: 0,
    offered: 0,
    offeredByOne: 0,
    withoutCandidates: 0,
    offeredUnconfigured: 0,
  };
}
