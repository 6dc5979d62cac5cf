// Keeps one link alive: connect, serve until it ends, back off, again, until told to stop. One supervisor per core,
// edge and plane; none knows of another, so planes die and return in any order.
import type { Clock } from './clock.ts';
import { LinkError, wordsOf } from './link-error.ts';

export interface BackoffOptions {
  /** Upper bound of the first pause. */
  readonly firstMs: number;
  /** Upper bound of every pause: with it a peer that is back is found again within that time. */
  readonly maxMs: number;
  /** A link that lived this long counts as good: the next pause begins from the first again. */
  readonly goodAfterMs: number;
}

/** A link while it lives. */
export interface SupervisedLink {
  /** Resolves with the reason in words once the link has ended. Never rejects. */
  readonly ended: Promise<string>;
  close(words: string): void;
}

export interface SupervisorOptions {
  /** Opens the link; rejects with the cause. The signal aborts it. */
  readonly connect: (signal: AbortSignal) => Promise<SupervisedLink>;
  readonly onState: (state: 'connecting' | 'up' | 'down', words: string, error?: LinkError) => void;
  readonly backoff: BackoffOptions;
  readonly clock: Clock;
  /** 0 ≤ random() < 1. */
  readonly random: () => number;
}

/** Full jitter: anything from next to nothing to the doubled bound, so that six cores do not knock in step. */
export function backoffMs(failures: number, options: BackoffOptions, random: number): number {
  const bound = Math.min(options.maxMs, options.firstMs * 2 ** Math.min(failures, 30));
  return Math.max(options.firstMs / 4, random * bound);
}

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #abort = new AbortController();
  #done: Promise<void> | undefined;
  #link: SupervisedLink | undefined;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /** Starts the loop; a second call does nothing. */
  start(): void {
    this.#done ??= this.#loop();
  }

  /** Ends the link and the loop; resolves when both have ended. Idempotent. */
  async close(words: string): Promise<void> {
    this.#abort.abort();
    this.#link?.close(words);
    await this.#done;
  }

  async #loop(): Promise<void> {
    const { backoff, random, onState } = this.#options;
    for (let failures = 0; !this.#abort.signal.aborted; failures += 1) {
      onState('connecting', '');
      const good = await this.#live();
      if (this.#abort.signal.aborted) return;
      if (good) failures = 0;
      await this.#pause(backoffMs(failures, backoff, random()));
    }
  }

  /** One life of the link. True if it lived long enough to count as good. */
  async #live(): Promise<boolean> {
    const { connect, onState, clock, backoff } = this.#options;
    let began: number | undefined;
    try {
      this.#link = await connect(this.#abort.signal);
      if (this.#abort.signal.aborted) this.#link.close('this side is shutting down');
      began = clock.now();
      onState('up', '');
      onState('down', await this.#link.ended);
    } catch (error) {
      onState('down', wordsOf(error), error instanceof LinkError ? error : undefined);
    } finally {
      this.#link = undefined;
    }
    return began !== undefined && clock.now() - began >= backoff.goodAfterMs;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, end);
      const signal = this.#abort.signal;
      signal.addEventListener('abort', end);
      function end(): void {
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      }
    });
  }
}
