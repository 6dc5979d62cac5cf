// Ports of relayed addresses at one IP address: lent at random so that the next cannot be guessed (RFC 8656 §7.2),
// even ones with their neighbour on demand (EVEN-PORT), rested after use so that late packets of one allocation do
// not meet the next. Numbers only, no sockets. Memory: two arrays of the range's size.

export interface RelayPortsOptions {
  readonly firstPort: number;
  readonly lastPort: number;
  /** How long a port rests after its release; cut short only when no other is left. */
  readonly quarantineMs: number;
  /** A whole number from 0 to below `limit`. */
  readonly randomBelow: (limit: number) => number;
}

/** Draws before an even port is searched for in order. */
const RANDOM_DRAWS = 16;
const NOT_FREE = -1;

export class RelayPorts {
  readonly #options: RelayPortsOptions;
  readonly #free: number[] = [];
  /** Place of each port in `#free`, or NOT_FREE. */
  readonly #place: Int32Array;
  /** Port → end of its rest; a Map keeps order, the head has rested longest. */
  readonly #resting = new Map<number, number>();

  constructor(options: RelayPortsOptions) {
    this.#options = options;
    this.#place = new Int32Array(options.lastPort - options.firstPort + 1).fill(NOT_FREE);
    for (let port = options.firstPort; port <= options.lastPort; port++) this.#put(port);
  }

  /** Ports that may be lent, the resting ones among them. */
  get available(): number {
    return this.#free.length + this.#resting.size;
  }

  /** Any port, or undefined when none is left. */
  acquire(now: number): number | undefined {
    this.#wake(now);
    if (this.#free.length === 0) this.#wakeOldest();
    const { length } = this.#free;
    return length === 0 ? undefined : this.#take(this.#free[this.#options.randomBelow(length)]!);
  }

  /** An even port, and with `reserveNext` the odd one after it too; undefined when there is none. */
  acquireEven(now: number, reserveNext: boolean): number | undefined {
    this.#wake(now);
    const fits = (port: number): boolean => port % 2 === 0 && (!reserveNext || this.#isFree(port + 1));
    const port = this.#draw(fits) ?? this.#free.find(fits);
    if (port === undefined) return undefined;
    if (reserveNext) this.#take(port + 1);
    return this.#take(port);
  }

  /** Takes a port back. */
  release(port: number, now: number): void {
    if (this.#isFree(port) || this.#resting.has(port)) throw new TypeError(`relay port ${port} is not lent`);
    this.#resting.set(port, now + this.#options.quarantineMs);
  }

  #draw(fits: (port: number) => boolean): number | undefined {
    for (let draw = 0; draw < RANDOM_DRAWS && this.#free.length > 0; draw++) {
      const port = this.#free[this.#options.randomBelow(this.#free.length)]!;
      if (fits(port)) return port;
    }
    return undefined;
  }

  #wake(now: number): void {
    for (const [port, until] of this.#resting) {
      if (until > now) return;
      this.#resting.delete(port);
      this.#put(port);
    }
  }

  #wakeOldest(): void {
    const oldest = this.#resting.keys().next();
    if (oldest.done === true) return;
    this.#resting.delete(oldest.value);
    this.#put(oldest.value);
  }

  #isFree(port: number): boolean {
    const place = this.#place[port - this.#options.firstPort];
    return place !== undefined && place !== NOT_FREE;
  }

  #put(port: number): void {
    this.#place[port - this.#options.firstPort] = this.#free.push(port) - 1;
  }

  #take(port: number): number {
    const place = this.#place[port - this.#options.firstPort]!;
    const last = this.#free.pop()!;
    if (last !== port) {
      this.#free[place] = last;
      this.#place[last - this.#options.firstPort] = place;
    }
    this.#place[port - this.#options.firstPort] = NOT_FREE;
    return port;
  }
}
