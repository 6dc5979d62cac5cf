// How many lines of one kind a log may get: a bucket of `perSecond` lines that holds ten seconds' worth. What a peer can
// cause as often as it likes must not fill a disk; what was left out is counted and told with the next line.
import type { Clock } from './clock.ts';

const burstSeconds = 10;

export class LineBudget {
  readonly #perSecond: number;
  readonly #clock: Clock;
  readonly #count: (event: string) => void;
  #tokens: number;
  #filledAt: number;
  #suppressed = 0;

  constructor(perSecond: number, clock: Clock, count: (event: string) => void) {
    this.#perSecond = perSecond;
    this.#clock = clock;
    this.#count = count;
    this.#tokens = perSecond * burstSeconds;
    this.#filledAt = clock.now();
  }

  /** Undefined: write nothing. Else the fields to add: how many lines were left out since the last, if any. */
  take(): { readonly suppressed?: number } | undefined {
    const now = this.#clock.now();
    const filled = this.#tokens + ((now - this.#filledAt) / 1000) * this.#perSecond;
    this.#tokens = Math.min(filled, this.#perSecond * burstSeconds);
    this.#filledAt = now;
    if (this.#tokens < 1) {
      this.#suppressed += 1;
      this.#count('log-line-suppressed');
      return undefined;
    }
    this.#tokens -= 1;
    const suppressed = this.#suppressed;
    this.#suppressed = 0;
    return suppressed === 0 ? {} : { suppressed };
  }
}
