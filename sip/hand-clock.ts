// A clock moved by hand, for tests of whatever takes a Clock: nothing waits, nothing depends on the machine.

import type { Clock } from './clock.ts';

/** Time stands still until `move` or `stopFor` is called. */
export class HandClock implements Clock {
  time = 0;
  readonly timers = new Map<object, { at: number; callback: () => void }>();

  now(): number {
    return this.time;
  }

  setTimer(callback: () => void, delayMs: number): object {
    const handle = {};
    this.timers.set(handle, { at: this.time + delayMs, callback });
    return handle;
  }

  clearTimer(handle: object | number): void {
    this.timers.delete(handle as object);
  }

  /** Moves time and fires what is due on the way, in order. */
  move(byMs: number): void {
    const end = this.time + byMs;
    for (;;) {
      const due = [...this.timers]
        .filter(([, timer]) => timer.at <= end)
        .sort((a, b) => a[1].at - b[1].at)[0];
      if (due === undefined) break;
      this.timers.delete(due[0]);
      this.time = due[1].at;
      due[1].callback();
    }
    this.time = end;
  }

  /** The process stood still: time passes, timers that became due fire once, late. */
  stopFor(byMs: number): void {
    this.time += byMs;
    for (const [handle, timer] of this.timers) {
      if (timer.at > this.time) continue;
      this.timers.delete(handle);
      timer.callback();
    }
  }
}
