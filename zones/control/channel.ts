// Binds the control machine to one byte stream: promises for requests, calls for handlers, a timer for deadlines.
// Trusts: the stream's owner to have authenticated the peer. Bounds: frames, requests and handlers in the machine;
// bytes waiting to be written here.
import type { Duplex } from 'node:stream';
import { type Clock, every } from '../clock.ts';
import { LinkError } from '../link-error.ts';
import type { ControlChannel, ControlHandlers, Count, LinkLog, PeerIdentity } from '../peer.ts';
import { FrameError } from './frame.ts';
import type { Hello } from './hello.ts';
import {
  type ControlAction,
  ControlMachine,
  type ControlMachineOptions,
  type Moment,
  type RequestFailure,
} from './machine.ts';

export interface ControlOptions extends Omit<ControlMachineOptions, 'peerName'> {
  /** What `request` waits if its caller does not say. */
  readonly requestTimeoutMs: number;
  /** Bytes that may wait for a peer that does not read; beyond, the link is closed. */
  readonly maxQueuedBytes: number;
  readonly handlers: ControlHandlers;
  readonly clock: Clock;
  readonly log: LinkLog;
  readonly count: Count;
}

/** What the owner of the link hears. */
export interface ControlEvents {
  onReady(hello: Hello): void;
  onMeasured(rttMs: number, skewMs: number): void;
  /** The peer broke the protocol or fell silent; the owner must end the link. */
  onBroken(words: string): void;
}

interface Waiter {
  readonly type: string;
  readonly resolve: (body: unknown) => void;
  readonly reject: (error: LinkError) => void;
}

/** Refused messages of one peer are logged at most this often. */
const quietMs = 10_000;

export class ControlStream implements ControlChannel {
  readonly peer: PeerIdentity;
  readonly #stream: Duplex;
  readonly #options: ControlOptions;
  readonly #events: ControlEvents;
  readonly #machine: ControlMachine;
  readonly #waiters = new Map<number, Waiter>();
  readonly #stopTimer: () => void;
  #closed = false;
  #quietUntil = -Infinity;
  /** Refusals since the last one that was logged. */
  #untold = 0;

  constructor(stream: Duplex, peer: PeerIdentity, options: ControlOptions, events: ControlEvents) {
    this.peer = peer;
    this.#stream = stream;
    this.#options = options;
    this.#events = events;
    this.#machine = new ControlMachine({ ...options, peerName: peer.name }, options.clock.now());
    stream.on('error', () => this.linkClosed());
    stream.on('close', () => this.linkClosed());
    stream.on('data', (chunk: Buffer) => this.#run(this.#machine.receive(chunk, this.#moment())));
    this.#stopTimer = every(options.clock, Math.max(10, options.pingIntervalMs / 3), () =>
      this.#run(this.#machine.tick(this.#moment())),
    );
    this.#run(this.#machine.open(this.#moment()));
  }

  request(type: string, body: unknown, options: { timeoutMs?: number } = {}): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timeoutMs = options.timeoutMs ?? this.#options.requestTimeoutMs;
      const { id, actions } = encodable(() => this.#machine.request(type, body, timeoutMs, this.#moment()));
      this.#waiters.set(id, { type, resolve, reject });
      this.#run(actions);
    });
  }

  notify(type: string, body: unknown): void {
    this.#run(encodable(() => this.#machine.notify(type, body)));
  }

  /** What happened to the connection below: everything waiting is told. Idempotent. */
  linkClosed(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopTimer();
    this.#run(this.#machine.linkClosed());
  }

  #run(actions: readonly ControlAction[]): void {
    for (const action of actions) this.#act(action);
  }

  #act(action: ControlAction): void {
    switch (action.do) {
      case 'send':
        return this.#write(action.bytes);
      case 'ready':
        return this.#events.onReady(action.hello);
      case 'handle':
        return void this.#handle(action.id, action.type, action.body);
      case 'resolve':
        return this.#settle(action.id, (waiter) => waiter.resolve(action.body));
      case 'reject':
        return this.#settle(action.id, (waiter) =>
          waiter.reject(failure(action.failure, waiter.type, this.peer.name)),
        );
      case 'measured':
        return this.#events.onMeasured(action.rttMs, action.skewMs);
      case 'drop':
        return this.#options.count('control-drop', action.reason);
      case 'close':
        return this.#broken(action.reason, action.words);
    }
  }

  #write(bytes: Buffer): void {
    if (this.#closed) return;
    this.#stream.write(bytes);
    if (this.#stream.writableLength > this.#options.maxQueuedBytes)
      this.#broken('overrun', 'peer does not read its control channel');
  }

  #broken(reason: string, words: string): void {
    if (this.#closed) return;
    this.#options.count('control-broken', reason);
    this.linkClosed();
    this.#events.onBroken(words);
  }

  #settle(id: number, settle: (waiter: Waiter) => void): void {
    const waiter = this.#waiters.get(id);
    this.#waiters.delete(id);
    if (waiter) settle(waiter);
  }

  /** Runs the handler of a peer's message. A handler that throws is answered, logged and never fatal. */
  async #handle(id: number, type: string, body: unknown): Promise<void> {
    const { handlers, count } = this.#options;
    const handler = Object.hasOwn(handlers, type) ? handlers[type] : undefined;
    if (!handler) {
      count('control-drop', 'unknown-type');
      return this.#run(this.#machine.handled(id, type, { error: 'unknown-type' }));
    }
    try {
      const reply = await handler(body, this);
      this.#run(this.#machine.handled(id, type, { reply }));
    } catch (error) {
      count('control-drop', 'refused');
      this.#tellRefused(type, error);
      this.#run(this.#machine.handled(id, type, { error: 'refused' }));
    }
  }

  /** A captured peer must not fill the log: one line per period, and how many were left out. */
  #tellRefused(type: string, error: unknown): void {
    const { clock, log } = this.#options;
    if (clock.now() < this.#quietUntil) {
      this.#untold += 1;
      return;
    }
    this.#quietUntil = clock.now() + quietMs;
    const fields = { peer: this.peer.name, type, err: error, untold: this.#untold };
    this.#untold = 0;
    log.warn(fields, 'a control message was refused');
  }

  #moment(): Moment {
    return { now: this.#options.clock.now(), wall: this.#options.clock.wall() };
  }
}

/** A message of our own that does not fit a frame is the caller's error, not the link's. */
function encodable<T>(print: () => T): T {
  try {
    return print();
  } catch (error) {
    if (error instanceof FrameError)
      throw new LinkError('protocol', error.message, { cause: error, retry: false });
    throw error;
  }
}

const FAILURE_WORDS: Record<RequestFailure, string> = {
  timeout: 'did not answer in time',
  closed: 'went away before it answered',
  refused: 'refused',
  busy: 'has too many requests waiting',
  'unknown-type': 'does not know this message',
};

function failure(code: RequestFailure, type: string, peer: string): LinkError {
  return new LinkError(code, `${type}: ${peer} ${FAILURE_WORDS[code]}`);
}
