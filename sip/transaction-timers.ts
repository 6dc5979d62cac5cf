// The few timers of one transaction on the layer's wheel. At most three run at once, so a short list beats a map.

import type { TimerWheel, WheelTimer } from './timer-wheel.ts';
import type { TimerName } from './transaction-tables.ts';

/** Named timers; starting one again replaces it. */
export class TransactionTimers {
  readonly #wheel: TimerWheel;
  readonly #fire: (timer: TimerName) => void;
  // Names and timers by the same index; undefined while none runs, which is most of the time on reliable transports.
  #names: TimerName[] | undefined;
  #timers: WheelTimer[] | undefined;

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
    if (this.#names === undefined || this.#timers === undefined) {
      this.#names = [name];
      this.#timers = [timer];
      return;
    }
    this.#names.push(name);
    this.#timers.push(timer);
  }

  stop(name: TimerName): void {
    const index = this.#names?.indexOf(name) ?? -1;
    const timer = this.#timers?.[index];
    if (timer === undefined) return;
    this.#wheel.clear(timer);
    this.#names?.splice(index, 1);
    this.#timers?.splice(index, 1);
    if (this.#names?.length === 0) this.stopAll();
  }

  stopAll(): void {
    for (const timer of this.#timers ?? []) this.#wheel.clear(timer);
    this.#names = undefined;
    this.#timers = undefined;
  }
}
