// Where requests wait that end something (BYE and what must not be lost beside it, ACK) while the link that they must
// go over is down. RFC 3261 §15: who sent a BYE has left, whatever it is answered; if the BYE is lost, the other end
// stays in the call. So its sender is answered after a while, and the request itself is kept on for the link's return.
// Trust: whoever may fill it is bounded by its share; all together by number and bytes.
import type { Clock, TimerHandle } from '../clock.ts';

export interface LinkWaitLimits {
  /** How long a sender waits for an answer. */
  readonly linkWaitMs: number;
  /** How long the request itself is kept for the link; not below `linkWaitMs`. */
  readonly linkKeepMs: number;
  readonly maxLinkWaiting: number;
  /** The same of one owner: a user, a connection. */
  readonly maxLinkWaitingPerOwner: number;
  readonly maxLinkWaitingBytes: number;
}

/** One request that waits. The same object may come back when its next try finds the link down again. */
export interface LinkWaiter {
  readonly owner: string;
  readonly bytes: number;
  /** Routes and sends it anew; if the link is still not there, holds it again. */
  readonly retry: () => void;
  /** Answers its sender; called at most once. */
  readonly late: () => void;
}

interface Held {
  readonly sinceMs: number;
  isLate: boolean;
}

const tickMs = 500;

export class LinkWait {
  readonly #limits: LinkWaitLimits;
  readonly #clock: Clock;
  readonly #count: (event: string, reason?: string) => void;
  readonly #waiting = new Map<LinkWaiter, Held>();
  readonly #perOwner = new Map<string, number>();
  /** What waiters remember between two tries; gone with them. */
  readonly #history = new WeakMap<LinkWaiter, Held>();
  #bytes = 0;
  #timer: TimerHandle | undefined;
  #isClosed = false;

  constructor(limits: LinkWaitLimits, clock: Clock, count: (event: string, reason?: string) => void) {
    this.#limits = limits;
    this.#clock = clock;
    this.#count = count;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Keeps a request; false when its sender must be answered now: no room, or already late and kept on. */
  hold(waiter: LinkWaiter): boolean {
    if (this.#waiting.has(waiter)) return false;
    const held = this.#history.get(waiter) ?? { sinceMs: this.#clock.now(), isLate: false };
    if (this.#isClosed || !this.#hasRoom(waiter)) {
      this.#count('link-wait', 'full');
      return false;
    }
    if (!this.#history.has(waiter)) this.#count('link-wait', 'held');
    this.#history.set(waiter, held);
    this.#waiting.set(waiter, held);
    this.#bytes += waiter.bytes;
    this.#perOwner.set(waiter.owner, this.#ofOwner(waiter) + 1);
    this.#keepTicking();
    return true;
  }

  /** A link is back: everything is tried again, in the order it came. */
  linkUp(): void {
    const waiting = [...this.#waiting.keys()]; // a try may hold its request again
    for (const waiter of waiting) {
      this.#drop(waiter);
      waiter.retry();
    }
  }

  /** What one owner lacked is there again. */
  ownerBack(owner: string): void {
    if (!this.#perOwner.has(owner)) return;
    const waiting = [...this.#waiting.keys()].filter((waiter) => waiter.owner === owner);
    for (const waiter of waiting) {
      this.#drop(waiter);
      waiter.retry();
    }
  }

  /** Ends in silence; idempotent. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.clear();
    this.#perOwner.clear();
    this.#bytes = 0;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #hasRoom(waiter: LinkWaiter): boolean {
    const { maxLinkWaiting, maxLinkWaitingPerOwner, maxLinkWaitingBytes } = this.#limits;
    return (
      this.#waiting.size < maxLinkWaiting &&
      this.#bytes + waiter.bytes <= maxLinkWaitingBytes &&
      this.#ofOwner(waiter) < maxLinkWaitingPerOwner
    );
  }

  #ofOwner({ owner }: LinkWaiter): number {
    return this.#perOwner.get(owner) ?? 0;
  }

  #drop(waiter: LinkWaiter): void {
    if (!this.#waiting.delete(waiter)) return;
    this.#bytes -= waiter.bytes;
    const left = this.#ofOwner(waiter) - 1;
    if (left > 0) this.#perOwner.set(waiter.owner, left);
    else this.#perOwner.delete(waiter.owner);
  }

  #keepTicking(): void {
    if (this.#timer !== undefined || this.#waiting.size === 0) return;
    this.#timer = this.#clock.setTimer(() => {
      this.#timer = undefined;
      this.#expire(this.#clock.now());
      this.#keepTicking();
    }, tickMs);
  }

  #expire(nowMs: number): void {
    const { linkWaitMs, linkKeepMs } = this.#limits;
    for (const [waiter, held] of this.#waiting) {
      const waitedMs = nowMs - held.sinceMs;
      if (!held.isLate && waitedMs >= linkWaitMs) {
        held.isLate = true;
        this.#count('link-wait', 'late');
        waiter.late();
      }
      if (waitedMs < linkKeepMs) continue;
      this.#drop(waiter);
      this.#count('link-wait', 'given-up');
    }
  }
}
