// The few timers of one transaction on the layer's wheel. At most three run at once, so a short list beats a map.

import type { TimerWheel, WheelTimer } from './timer-wheel.ts';
import type { TimerName } from './transaction-tables.ts';

/** Named timers; starting one again replaces it. */
export class TransactionTimers {
  readonly #wheel: TimerWheel;
  readonly #fire: (timer: TimerName) => void;
  #running: { name: TimerName; timer: WheelTimer }[] = [];

  constructor(wheel: TimerWheel, fire: (timer: TimerName) => void) {
    this.#wheel = wheel;
    this.#fire = fire;
  }

  start(name: TimerName, at: number): void {
    this.stop(name);
    const timer = this.#wheel.set(at, () => {
      this.stop(name);
      this.#fire(name);
    });
    this.#running.push({ name, timer });
  }

  stop(name: TimerName): void {
    const index = this.#running.findIndex((running) => running.name === name);
    const found = this.#running[index];
    if (found === undefined) return;
    this.#wheel.clear(found.timer);
    this.#running.splice(index, 1);
  }

  stopAll(): void {
    for (const { timer } of this.#running) this.#wheel.clear(timer);
    this.#running = [];
  }
}
