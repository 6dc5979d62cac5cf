// A timing wheel: thousands of transaction timers of a few fixed lengths, each set and cleared in constant time.
// Sans-I/O: `advance(now)` fires what is due. Coarse by `tickMs`, never early.

/** A timer on the wheel. */
export interface WheelTimer {
  readonly at: number;
  readonly fire: () => void;
  previous: WheelTimer | undefined;
  next: WheelTimer | undefined;
  slot: number;
}

const SLOTS = 1024;
const IDLE = -1;

/** Timers ordered by when they are due. Times are milliseconds of one monotonic clock. */
export class TimerWheel {
  readonly #tickMs: number;
  readonly #heads: (WheelTimer | undefined)[] = Array.from({ length: SLOTS }, () => undefined);
  #tick: number;
  #size = 0;
  readonly #armed: () => void;

  /** `armed` is called when the first timer is put on an empty wheel: whoever calls `advance` may have stopped. */
  constructor(tickMs: number, now: number, armed: () => void = () => {}) {
    this.#tickMs = tickMs;
    this.#armed = armed;
    this.#tick = Math.floor(now / tickMs);
  }

  get size(): number {
    return this.#size;
  }

  /** Fires at the first `advance` whose time is at or after `at`, rounded up to a tick. */
  set(at: number, fire: () => void): WheelTimer {
    const dueTick = Math.max(Math.ceil(at / this.#tickMs), this.#tick + 1);
    const slot = dueTick % SLOTS;
    const timer: WheelTimer = { at, fire, previous: undefined, next: this.#heads[slot], slot };
    if (timer.next !== undefined) timer.next.previous = timer;
    this.#heads[slot] = timer;
    if (++this.#size === 1) this.#armed();
    return timer;
  }

  /** Takes a timer off; no effect when it has fired or was cleared. */
  clear(timer: WheelTimer): void {
    if (timer.slot === IDLE) return;
    if (timer.previous === undefined) this.#heads[timer.slot] = timer.next;
    else timer.previous.next = timer.next;
    if (timer.next !== undefined) timer.next.previous = timer.previous;
    timer.previous = undefined;
    timer.next = undefined;
    timer.slot = IDLE;
    this.#size--;
  }

  /** Fires all timers due at `now`. A timer set while firing waits for the next tick at least. */
  advance(now: number): void {
    const last = Math.floor(now / this.#tickMs);
    // After a long stop each slot needs one visit only.
    const first = Math.max(this.#tick + 1, last - SLOTS + 1);
    if (last <= this.#tick) return;
    this.#tick = last;
    for (let tick = first; tick <= last; tick++) this.#fireSlot(tick % SLOTS, now);
  }

  // Timers more than one turn of the wheel away stay in their slot until their time.
  #fireSlot(slot: number, now: number): void {
    const due: WheelTimer[] = [];
    for (let timer = this.#heads[slot]; timer !== undefined; timer = timer.next) {
      if (Math.ceil(timer.at / this.#tickMs) * this.#tickMs <= now) due.push(timer);
    }
    for (const timer of due) {
      if (timer.slot === IDLE) continue;
      this.clear(timer);
      timer.fire();
    }
  }
}
