// Deadlines of many connections by one coarse clock: setting one is storing a number, and one sweep per interval
// finds those that have passed. A deadline is late by up to one interval, which no HTTP timeout minds.

/** Something that may be too late. */
export interface Expiring {
  /** Called on each sweep with monotonic milliseconds. */
  expire(nowMs: number): void;
}

/** The connections that have deadlines, and the time they measure them by. */
export class Deadlines {
  /** Monotonic milliseconds at the last sweep. */
  nowMs: number;
  readonly #clock: () => number;
  readonly #members = new Set<Expiring>();

  /** `clock` gives monotonic milliseconds, such as `performance.now`. */
  constructor(clock: () => number) {
    this.#clock = clock;
    this.nowMs = clock();
  }

  get size(): number {
    return this.#members.size;
  }

  add(member: Expiring): void {
    this.#members.add(member);
  }

  delete(member: Expiring): void {
    this.#members.delete(member);
  }

  /** Reads the clock and lets every member see the time. */
  sweep(): void {
    this.nowMs = this.#clock();
    for (const member of this.#members) member.expire(this.nowMs);
  }

  /** Sweeps every `intervalMs` until the returned function is called; does not keep the process alive. */
  start(intervalMs: number): () => void {
    const timer = setInterval(() => this.sweep(), intervalMs);
    timer.unref();
    return () => clearInterval(timer);
  }
}
