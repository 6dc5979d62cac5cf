// A clock that stands still until a test moves it. Not part of the product.
import type { Clock } from './clock.ts';

export class ManualClock implements Clock {
  #now = 1000;
  #wallOffset = Date.UTC(2026, 10, 20) - 1000;
  #timers = new Map<number, { at: number; run: () => void }>();
  #id = 0;

  readonly now = (): number => this.#now;
  readonly wall = (): number => this.#now + this.#wallOffset;

  /** Timers not yet fired or cancelled. */
  get pending(): number {
    return this.#timers.size;
  }

  setWall(wall: number): void {
    this.#wallOffset = wall - this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const id = (this.#id += 1);
    this.#timers.set(id, { at: this.#now + ms, run });
    return () => this.#timers.delete(id);
  }

  /** Moves time on, firing what becomes due in order. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const due = [...this.#timers]
        .filter(([, timer]) => timer.at <= until)
        .sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#now = Math.max(this.#now, due[1].at);
      this.#timers.delete(due[0]);
      due[1].run();
    }
    this.#now = until;
  }
}
