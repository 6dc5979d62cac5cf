// The control channel's memory without its socket: numbers requests, matches replies, lets each limit bite, measures
// round trip and clock, and notices a peer that has gone silent. Bytes and times in, actions out.
// Trusts: that the peer's name was proven by its keys; nothing it says.
import { type ControlFrame, CONTROL_VERSION, FrameDecoder, FrameError, printFrame } from './frame.ts';
import { type Hello, helloProblem, helloSchema, pingSchema } from './hello.ts';

export interface ControlMachineOptions {
  readonly peerName: string;
  /** Sent first; its time is filled in when it is sent. */
  readonly hello: Omit<Hello, 'wallTimeMs'>;
  /** Requests of ours that may wait for a reply at once. */
  readonly maxOutstanding: number;
  /** Requests and notifications of the peer that may be at work here at once. */
  readonly maxHandling: number;
  /** How often to ask the peer for a sign of life. */
  readonly pingIntervalMs: number;
  /** How long the peer may take until its first frame. */
  readonly helloTimeoutMs: number;
  /** How long the peer may send no whole frame, although bytes arrive. */
  readonly silentAfterMs: number;
}

/** Why a request of ours ended without a reply. */
export type RequestFailure = 'timeout' | 'closed' | 'refused' | 'busy' | 'unknown-type';

/** Reasons for which a peer's message is dropped or its link closed; the closed set that is counted. */
export type ControlDrop =
  | `frame-${FrameError['code']}`
  | 'no-hello'
  | 'hello'
  | 'second-hello'
  | 'silent'
  | 'stray-reply'
  | 'busy';

export type ControlAction =
  | { readonly do: 'send'; readonly bytes: Buffer }
  | { readonly do: 'ready'; readonly hello: Hello }
  | { readonly do: 'handle'; readonly id: number; readonly type: string; readonly body: unknown }
  | { readonly do: 'resolve'; readonly id: number; readonly body: unknown }
  | { readonly do: 'reject'; readonly id: number; readonly failure: RequestFailure }
  | { readonly do: 'measured'; readonly rttMs: number; readonly skewMs: number }
  | { readonly do: 'drop'; readonly reason: ControlDrop }
  | { readonly do: 'close'; readonly reason: ControlDrop; readonly words: string };

/** Monotonic and wall-clock milliseconds of one moment. */
export interface Moment {
  readonly now: number;
  readonly wall: number;
}

interface Waiting {
  readonly deadline: number;
  readonly ping: Moment | undefined;
}

const PING = 'ping';
const HELLO = 'hello';

export class ControlMachine {
  readonly #options: ControlMachineOptions;
  readonly #decoder = new FrameDecoder();
  readonly #waiting = new Map<number, Waiting>();
  readonly #began: number;
  #lastId = 0;
  #pings = 0;
  #handling = 0;
  #ready = false;
  #closed = false;
  #lastFrame: number;
  #nextPing: number;

  constructor(options: ControlMachineOptions, now: number) {
    this.#options = options;
    this.#began = now;
    this.#lastFrame = now;
    this.#nextPing = now + options.pingIntervalMs;
  }

  /** The hello of this side. */
  open(at: Moment): ControlAction[] {
    return [this.#send('notify', 0, HELLO, { ...this.#options.hello, wallTimeMs: at.wall })];
  }

  /** Starts a request. Its id comes back with `resolve` or `reject`; `busy` if too many are waiting. */
  request(
    type: string,
    body: unknown,
    timeoutMs: number,
    at: Moment,
  ): { id: number; actions: ControlAction[] } {
    const id = this.#nextId();
    if (this.#closed) return { id, actions: [{ do: 'reject', id, failure: 'closed' }] };
    if (this.#waiting.size - this.#pings >= this.#options.maxOutstanding)
      return { id, actions: [{ do: 'reject', id, failure: 'busy' }] };
    const send = this.#send('request', id, type, body);
    this.#waiting.set(id, { deadline: at.now + timeoutMs, ping: undefined });
    return { id, actions: [send] };
  }

  notify(type: string, body: unknown): ControlAction[] {
    return this.#closed ? [] : [this.#send('notify', 0, type, body)];
  }

  /** The result of a `handle` action; id 0 was a notification and is answered by nothing. */
  handled(
    id: number,
    type: string,
    result: { reply: unknown } | { error: 'refused' | 'unknown-type' },
  ): ControlAction[] {
    this.#handling -= 1;
    if (this.#closed || id === 0) return [];
    if ('error' in result) return [this.#error(id, type, result.error)];
    try {
      return [this.#send('reply', id, type, result.reply)];
    } catch {
      return [this.#error(id, type, 'refused')]; // our handler's reply does not fit a frame
    }
  }

  receive(chunk: Buffer, at: Moment): ControlAction[] {
    if (this.#closed) return [];
    let frames: ControlFrame[];
    try {
      frames = this.#decoder.push(chunk);
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return this.#close(`frame-${error.code}`, error.message);
    }
    const actions: ControlAction[] = [];
    for (const frame of frames) {
      if (this.#closed) break;
      this.#lastFrame = at.now;
      actions.push(...this.#frame(frame, at));
    }
    return actions;
  }

  /** Deadlines and pings; call it a few times per ping interval. */
  tick(at: Moment): ControlAction[] {
    if (this.#closed) return [];
    if (!this.#ready && at.now - this.#began > this.#options.helloTimeoutMs)
      return this.#close('no-hello', 'peer said nothing on its control channel');
    if (at.now - this.#lastFrame > this.#options.silentAfterMs)
      return this.#close(
        'silent',
        `peer's control channel has been silent for ${this.#options.silentAfterMs / 1000} s`,
      );
    const actions = this.#expire(at.now);
    if (this.#ready && at.now >= this.#nextPing) actions.push(...this.#ping(at));
    return actions;
  }

  /** The link is gone: everything waiting is told. */
  linkClosed(): ControlAction[] {
    this.#closed = true;
    const actions: ControlAction[] = [];
    for (const [id, waiting] of this.#waiting)
      if (!waiting.ping) actions.push({ do: 'reject', id, failure: 'closed' });
    this.#waiting.clear();
    return actions;
  }

  #frame(frame: ControlFrame, at: Moment): ControlAction[] {
    if (!this.#ready) return this.#hello(frame, at);
    switch (frame.kind) {
      case 'reply':
        return this.#reply(frame.id, frame.body, at);
      case 'error':
        return this.#failed(frame.id, frame.body.code);
      case 'request':
        if (frame.type === PING) return [this.#send('reply', frame.id, PING, { wallTimeMs: at.wall })];
        return this.#take(frame.id, frame.type, frame.body);
      default: // notify
        if (frame.type === HELLO) return this.#close('second-hello', 'peer said hello twice');
        return this.#take(0, frame.type, frame.body);
    }
  }

  #hello(frame: ControlFrame, at: Moment): ControlAction[] {
    if (frame.kind !== 'notify' || frame.type !== HELLO)
      return this.#close('hello', "peer's first message was no hello");
    const parsed = helloSchema.safeParse(frame.body);
    if (!parsed.success) return this.#close('hello', "peer's hello has the wrong members");
    const problem = helloProblem(parsed.data, this.#options.peerName);
    if (problem !== undefined) return this.#close('hello', problem);
    this.#ready = true;
    return [{ do: 'ready', hello: parsed.data }, ...this.#ping(at)];
  }

  #take(id: number, type: string, body: unknown): ControlAction[] {
    if (this.#handling >= this.#options.maxHandling) {
      const dropped: ControlAction = { do: 'drop', reason: 'busy' };
      return id === 0 ? [dropped] : [dropped, this.#error(id, type, 'busy')];
    }
    this.#handling += 1;
    return [{ do: 'handle', id, type, body }];
  }

  #reply(id: number, body: unknown, at: Moment): ControlAction[] {
    const waiting = this.#finish(id);
    if (!waiting) return [{ do: 'drop', reason: 'stray-reply' }];
    return waiting.ping ? this.#pong(waiting.ping, body, at) : [{ do: 'resolve', id, body }];
  }

  #failed(id: number, code: string): ControlAction[] {
    const waiting = this.#finish(id);
    if (!waiting) return [{ do: 'drop', reason: 'stray-reply' }];
    if (waiting.ping) return [];
    return [{ do: 'reject', id, failure: code === 'busy' || code === 'unknown-type' ? code : 'refused' }];
  }

  /** Half the round trip is taken as the way back: good to a few milliseconds, and seconds are what matters. */
  #pong(sent: Moment, body: unknown, at: Moment): ControlAction[] {
    const parsed = pingSchema.safeParse(body);
    if (!parsed.success) return [];
    const rttMs = at.now - sent.now;
    return [{ do: 'measured', rttMs, skewMs: parsed.data.wallTimeMs - (sent.wall + rttMs / 2) }];
  }

  /** Pings are not counted as outstanding and never rejected; one that is lost just ends. */
  #ping(at: Moment): ControlAction[] {
    this.#nextPing = at.now + this.#options.pingIntervalMs;
    const id = this.#nextId();
    this.#waiting.set(id, { deadline: at.now + this.#options.silentAfterMs, ping: at });
    this.#pings += 1;
    return [this.#send('request', id, PING, { wallTimeMs: at.wall })];
  }

  #expire(now: number): ControlAction[] {
    const actions: ControlAction[] = [];
    for (const [id, waiting] of this.#waiting) {
      if (waiting.deadline > now) continue;
      this.#finish(id);
      if (!waiting.ping) actions.push({ do: 'reject', id, failure: 'timeout' });
    }
    return actions;
  }

  #finish(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (waiting?.ping) this.#pings -= 1;
    this.#waiting.delete(id);
    return waiting;
  }

  #close(reason: ControlDrop, words: string): ControlAction[] {
    return [...this.linkClosed(), { do: 'close', reason, words }];
  }

  #error(id: number, type: string, code: RequestFailure): ControlAction {
    return this.#send('error', id, type, { code });
  }

  #send(kind: ControlFrame['kind'], id: number, type: string, body: unknown): ControlAction {
    const frame = { v: CONTROL_VERSION, kind, id, type, body } as ControlFrame;
    return { do: 'send', bytes: printFrame(frame) };
  }

  #nextId(): number {
    do this.#lastId = this.#lastId >= 0xffff_ffff ? 1 : this.#lastId + 1;
    while (this.#waiting.has(this.#lastId));
    return this.#lastId;
  }
}
