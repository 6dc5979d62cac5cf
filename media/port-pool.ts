// UDP port pairs for media: even RTP, odd RTCP (RFC 3550 §11), handed out at random so that nobody can guess the
// next one, rested after use so that late packets of one call do not meet the next. Numbers only, no sockets.
// Bounded by its range; every operation takes constant time.

export interface PortPoolOptions {
  /** Even. */
  readonly firstPort: number;
  /** Odd. */
  readonly lastPort: number;
  /** How long a pair rests after release. */
  readonly quarantineMs: number;
  readonly now: () => number;
  /** A whole number from 0 to below `limit`. */
  readonly randomBelow: (limit: number) => number;
}

/** An even port and the odd one after it. */
export interface PortPair {
  readonly rtp: number;
  readonly rtcp: number;
}

export class PortPoolError extends Error {
  readonly code: 'bad-range' | 'exhausted' | 'not-lent';
  constructor(code: PortPoolError['code'], message: string) {
    super(message);
    this.name = 'PortPoolError';
    this.code = code;
  }
}

export class PortPool {
  readonly #options: PortPoolOptions;
  readonly #free: number[] = [];
  readonly #lent = new Set<number>();
  /** Oldest first: a Map keeps insertion order, so the head is the pair that has rested longest. */
  readonly #resting = new Map<number, number>();

  constructor(options: PortPoolOptions) {
    const { firstPort, lastPort } = options;
    if (
      firstPort % 2 !== 0 ||
      lastPort % 2 !== 1 ||
      firstPort < 1024 ||
      lastPort > 65535 ||
      firstPort > lastPort
    ) {
      throw new PortPoolError(
        'bad-range',
        `media ports ${firstPort}-${lastPort}: start must be even, end odd`,
      );
    }
    this.#options = options;
    for (let port = firstPort; port < lastPort; port += 2) this.#free.push(port);
  }

  /** Pairs in each state: what status shows and the leak test reads. */
  sizes(): { readonly free: number; readonly lent: number; readonly resting: number } {
    return { free: this.#free.length, lent: this.#lent.size, resting: this.#resting.size };
  }

  /**
   * Lends a pair. When all free ones are gone, the one that has rested longest is lent before its time: a late
   * packet of an old call is refused by source and tag anyway, a refused call is not so easily made good.
   * Throws PortPoolError `exhausted`.
   */
  acquire(): PortPair {
    this.#wake();
    const port = this.#takeFree() ?? this.#takeResting();
    if (port === undefined) throw new PortPoolError('exhausted', 'no media port pair is free');
    this.#lent.add(port);
    return { rtp: port, rtcp: port + 1 };
  }

  /** Takes a pair back. Throws PortPoolError `not-lent`: a pair given back twice is a fault of ours. */
  release(pair: PortPair): void {
    if (!this.#lent.delete(pair.rtp))
      throw new PortPoolError('not-lent', `media port ${pair.rtp} is not lent`);
    this.#resting.set(pair.rtp, this.#options.now() + this.#options.quarantineMs);
  }

  #wake(): void {
    const now = this.#options.now();
    for (const [port, until] of this.#resting) {
      if (until > now) return;
      this.#resting.delete(port);
      this.#free.push(port);
    }
  }

  #takeFree(): number | undefined {
    const last = this.#free.pop();
    if (last === undefined || this.#free.length === 0) return last;
    const index = this.#options.randomBelow(this.#free.length + 1);
    if (index === this.#free.length) return last;
    const chosen = this.#free[index]!;
    this.#free[index] = last;
    return chosen;
  }

  #takeResting(): number | undefined {
    const oldest = this.#resting.keys().next();
    if (oldest.done === true) return undefined;
    this.#resting.delete(oldest.value);
    return oldest.value;
  }
}
