// The road of one pair of domains: stanzas of one direction, and the stream that is opened for them when the first one comes.
// While it opens, stanzas wait, within a bound; when it cannot be opened they go back to their senders, and for a while so
// does everything that follows. What was written to a stream that then breaks is neither sent again nor bounced:
// streams between servers promise no more, and a doubled message is worse than a lost one.
import {
  bounceOf,
  type BounceCondition,
  type DomainPair,
  type OutgoingFailure,
  type ServerStanza,
  wantsBounce,
} from '../../../xmpp/s2s/index.ts';
import type { RoadOptions } from './federation-options.ts';

/** An open way onward. */
export interface OnwardStream {
  /** False: write no more until `onDrain`. */
  write(text: string): boolean;
  end(): void;
}

export interface OnwardListener {
  onReady(): void;
  onDrain(): void;
  /** It never came about, or is over; told once. */
  onOver(reason: OutgoingFailure): void;
}

export interface StanzaRoadOptions extends RoadOptions {
  readonly pair: DomainPair;
  readonly open: (listener: OnwardListener) => OnwardStream;
  /** Takes an error back to the sender's server. */
  readonly bounce: (stanza: ServerStanza) => void;
}

type State = 'idle' | 'opening' | 'ready' | 'resting';

export class StanzaRoad implements OnwardListener {
  readonly #options: StanzaRoadOptions;
  readonly #waiters = new Set<() => void>();
  #state: State = 'idle';
  #stream: OnwardStream | undefined;
  #waiting: ServerStanza[] = [];
  #waitingBytes = 0;
  /** Taken on an open stream, not written yet: one write for what was read at once. */
  #batch = '';
  #isFull = false;
  #failures = 0;
  #condition: BounceCondition = 'remote-server-timeout';
  #lastUsed = 0;
  #cancelTimer: (() => void) | undefined;

  constructor(options: StanzaRoadOptions) {
    this.#options = options;
  }

  get state(): State {
    return this.#state;
  }

  /** Nothing waits and nothing is open: it may be forgotten. */
  get isIdle(): boolean {
    return this.#state === 'idle';
  }

  /** Carries a stanza on, lets it wait, or sends it back. False: send no more until what `whenOpen` was given is called. */
  send(stanza: ServerStanza): boolean {
    this.#lastUsed = this.#options.clock.now();
    switch (this.#state) {
      case 'ready':
        this.#batch += stanza.text;
        return !this.#isFull;
      case 'resting':
        this.#sendBack(stanza, this.#condition);
        return true;
      case 'idle':
        this.#state = 'opening';
        this.#wait(stanza);
        this.#stream = this.#options.open(this);
        return this.#hasRoom();
      default:
        this.#wait(stanza);
        return this.#hasRoom();
    }
  }

  /** Writes what `send` has taken since the last time; to be called when a source has told all that it had read. */
  flush(): void {
    if (this.#batch === '' || this.#state !== 'ready') return;
    const text = this.#batch;
    this.#batch = '';
    this.#isFull = this.#stream?.write(text) === false;
  }

  /** Calls once, when there is room again or the road is gone. */
  whenOpen(run: () => void): void {
    this.#waiters.add(run);
  }

  /** The way is known to work again, for instance because the other side has come: no more resting. */
  wake(): void {
    if (this.#state !== 'resting') return;
    this.#cancelTimer?.();
    this.#state = 'idle';
  }

  close(): void {
    this.#stream?.end();
    this.onOver('closed');
    this.#cancelTimer?.();
    this.#state = 'idle';
  }

  onReady(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'ready';
    this.#failures = 0;
    this.#batch = this.#waiting.map((stanza) => stanza.text).join('');
    this.#clearWaiting();
    this.#isFull = false;
    this.flush();
    this.#watchIdle();
    if (!this.#isFull) this.#release();
  }

  onDrain(): void {
    this.#isFull = false;
    this.#release();
  }

  onOver(reason: OutgoingFailure): void {
    const wasOpening = this.#state === 'opening';
    if (!wasOpening && this.#state !== 'ready') return;
    const { count } = this.#options;
    this.#cancelTimer?.();
    this.#batch = '';
    this.#stream = undefined;
    this.#state = 'idle';
    if (wasOpening) {
      count('road-failed', reason);
      this.#condition = conditionOf(reason);
      this.#rest();
      const waiting = this.#waiting;
      this.#clearWaiting();
      for (const stanza of waiting) this.#sendBack(stanza, this.#condition);
    } else count('road-over', reason);
    this.#release();
  }

  /** Twice as long after each failure in a row. */
  #rest(): void {
    const { clock, retryFirstMs, retryMostMs } = this.#options;
    const ms = Math.min(retryMostMs, retryFirstMs * 2 ** this.#failures);
    this.#failures = Math.min(this.#failures + 1, 30);
    this.#state = 'resting';
    this.#cancelTimer = clock.after(ms, () => {
      if (this.#state === 'resting') this.#state = 'idle';
    });
  }

  #watchIdle(): void {
    const { clock, idleTimeoutMs } = this.#options;
    this.#cancelTimer = clock.after(idleTimeoutMs, () => {
      if (this.#state !== 'ready') return;
      if (clock.now() - this.#lastUsed < idleTimeoutMs) return this.#watchIdle();
      this.#stream?.end();
      this.onOver('closed');
    });
  }

  #wait(stanza: ServerStanza): void {
    const bytes = Buffer.byteLength(stanza.text);
    if (this.#waitingBytes + bytes > this.#options.maxWaitingBytes) {
      this.#options.count('queue-full');
      return this.#sendBack(stanza, 'resource-constraint');
    }
    this.#waiting.push(stanza);
    this.#waitingBytes += bytes;
  }

  #clearWaiting(): void {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** Half of the bound is kept for what a source had read already when it was told to stop. */
  #hasRoom(): boolean {
    return this.#state !== 'opening' || this.#waitingBytes < this.#options.maxWaitingBytes / 2;
  }

  #sendBack(stanza: ServerStanza, condition: BounceCondition): void {
    this.#options.count('stanza-undelivered', condition);
    if (wantsBounce(stanza.head)) this.#options.bounce(bounceOf(stanza, condition));
  }

  #release(): void {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const run of waiters) run();
  }
}

function conditionOf(reason: OutgoingFailure): BounceCondition {
  return reason === 'unreachable' || reason === 'closed'
    ? 'remote-server-timeout'
    : 'remote-server-not-found';
}
