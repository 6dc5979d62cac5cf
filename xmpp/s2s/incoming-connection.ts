// A connection that another server opened: the receiving machine over a socket that the caller accepted (RFC 6120, XEP-0368: TLS
// from the first byte on the same port). Deadlines to TLS and to the first proof, a rate above which the socket is left
// unread, back-pressure from the listener.
// The caller owns admission, the error listener of the raw socket and the judgement of the certificate.
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { NS_SERVER } from '../namespaces.ts';
import { type StreamCondition, StreamError } from '../stream-error.ts';
import { type StreamLimits, StreamParser } from '../stream-parser.ts';
import type { ConnectionClock, Covers, ServerConnectionLimits } from './connection-limits.ts';
import type { DialbackElement, DialbackResult } from './dialback.ts';
import type { DomainPair } from './domain.ts';
import {
  type Proof,
  type ReceivingAction,
  type ReceivingInput,
  type ReceivingOptions,
  ReceivingStream,
} from './receiving-stream.ts';
import type { ServerStanza } from './stanza.ts';

export interface IncomingOptions extends ReceivingOptions {
  readonly limits: ServerConnectionLimits;
  /** Begins TLS as its server, asking for a certificate; a handshake that fails closes the raw socket. */
  readonly secure: (raw: Socket, onSecure: (socket: TLSSocket) => void) => void;
  /** For which domains the peer's certificate speaks; for none when its chain is not trusted. */
  readonly judge: (socket: TLSSocket) => Promise<Covers>;
  /** Asks the authoritative server of `question.from`. */
  readonly verify: (question: DialbackElement) => Promise<DialbackResult>;
  /** Milliseconds to leave the socket unread after so many bytes. */
  readonly rate: { take(bytes: number, now: number): number };
  readonly clock: ConnectionClock;
  readonly count: (event: string, reason?: string) => void;
}

/** Who hears of a connection. */
export interface IncomingListener {
  onSecured(): void;
  onProven(pair: DomainPair, by: Proof): void;
  /** A stanza of a proven pair. */
  onStanza(stanza: ServerStanza): void;
  /** What was read at once has been told. */
  onRead(): void;
  /** The connection carries nothing any more; told once. */
  onOver(): void;
}

/** First byte of a TLS record that carries a handshake; no XML begins so. */
const TLS_HANDSHAKE_RECORD = 0x16;

type Pause = 'listener' | 'rate';

export class IncomingConnection {
  readonly #raw: Socket;
  readonly #options: IncomingOptions;
  readonly #listener: IncomingListener;
  readonly #machine: ReceivingStream;
  readonly #pauses = new Set<Pause>();
  #socket: Socket;
  #parser: StreamParser;
  readonly #cancelHandshake: () => void;
  readonly #cancelSignIn: () => void;
  #cancelStuck: (() => void) | undefined;
  #cancelRate: (() => void) | undefined;
  #isFirst = true;
  #isShaking = false;
  #isTlsDue = false;
  #isRestartDue = false;
  #isOver = false;

  constructor(raw: Socket, options: IncomingOptions, listener: IncomingListener) {
    const { limits } = options;
    this.#raw = raw;
    this.#socket = raw;
    this.#options = options;
    this.#listener = listener;
    this.#machine = new ReceivingStream(options);
    this.#parser = this.#newParser(limits.clear);
    this.#cancelHandshake = this.#late('handshake-timeout', limits.handshakeTimeoutMs);
    this.#cancelSignIn = this.#late('sign-in-timeout', limits.signInTimeoutMs);
    raw.on('data', this.#onData);
    raw.once('end', () => this.#raw === this.#socket && this.#gone());
    raw.once('close', () => {
      if (this.#isShaking && !this.#isOver) options.count('handshake-failed', 'tls');
      this.#destroy();
    });
  }

  /** Ends it from this side with a stream error. */
  end(condition: StreamCondition, text: string): void {
    this.#run({ kind: 'end', condition, text });
  }

  /** Reads no more until `resume`. */
  pause(): void {
    this.#pause('listener');
  }

  resume(): void {
    this.#resume('listener');
  }

  #late(reason: string, ms: number): () => void {
    const { clock, count } = this.#options;
    return clock.after(ms, () => {
      count(reason);
      this.#destroy();
    });
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isOver) return;
    if (this.#isFirst && chunk[0] === TLS_HANDSHAKE_RECORD) {
      this.#startTls();
      this.#raw.unshift(chunk);
      return;
    }
    this.#isFirst = false;
    const { clock, rate } = this.#options;
    const waitMs = rate.take(chunk.length, clock.now());
    this.#parse(chunk);
    this.#listener.onRead();
    if (this.#isOver) return;
    if (this.#isTlsDue) return this.#startTls();
    if (waitMs === 0) return;
    this.#pause('rate');
    this.#cancelRate = clock.after(waitMs, () => this.#resume('rate'));
  };

  #parse(chunk: Buffer): void {
    try {
      this.#parser.write(chunk, (event) => this.#run({ kind: 'event', event }));
      if (this.#isOver || (!this.#isTlsDue && !this.#isRestartDue)) return;
      if (!this.#parser.isBetweenElements)
        throw new StreamError('policy-violation', 'order', 'the server spoke before it was answered');
      if (this.#isRestartDue) this.#parser = this.#newParser(this.#options.limits.session);
      this.#isRestartDue = false;
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      this.#options.count('stream-refused', error.fault);
      // In the clear nothing is said after `<proceed/>`: it could be taken for the TLS server's word.
      if (this.#isTlsDue) return this.#destroy();
      this.end(error.condition, error.message);
    }
  }

  #run(input: ReceivingInput): void {
    if (this.#isOver) return;
    for (const action of this.#machine.handle(input)) this.#do(action);
  }

  #do(action: ReceivingAction): void {
    switch (action.kind) {
      case 'write':
        return this.#write(action.text);
      case 'start-tls':
        this.#isTlsDue = true;
        return;
      case 'restart':
        this.#isRestartDue = true;
        return;
      case 'verify':
        return this.#verify(action.question);
      case 'proven':
        this.#cancelSignIn();
        this.#parser.limits = this.#options.limits.session;
        return this.#listener.onProven(action.pair, action.by);
      case 'stanza':
        return this.#listener.onStanza(action.stanza);
      case 'count':
        return this.#options.count(action.event);
      case 'end':
        return this.#finish(action.text);
    }
  }

  #verify(question: DialbackElement): void {
    void this.#options
      .verify(question)
      .catch((): DialbackResult => 'remote-server-timeout')
      .then((result) => this.#run({ kind: 'verified', question, result }));
  }

  #startTls(): void {
    const { secure, judge } = this.#options;
    const raw = this.#raw;
    this.#isFirst = false;
    this.#isTlsDue = false;
    raw.off('data', this.#onData);
    raw.pause();
    this.#isShaking = true;
    secure(raw, (socket) => {
      socket.on('error', () => this.#destroy());
      socket.once('close', () => this.#destroy());
      socket.once('end', () => this.#gone());
      socket.pause();
      this.#cancelHandshake();
      void judge(socket)
        .catch((): Covers => () => false)
        .then((covers) => this.#secured(socket, covers));
    });
  }

  #secured(socket: TLSSocket, covers: Covers): void {
    if (this.#isOver) return void socket.destroy();
    const { idleTimeoutMs, signIn } = this.#options.limits;
    this.#isShaking = false;
    this.#socket = socket;
    this.#parser = this.#newParser(signIn);
    this.#run({ kind: 'secured', covers });
    this.#listener.onSecured();
    socket.setTimeout(idleTimeoutMs, () => this.end('connection-timeout', 'nothing was said for too long'));
    socket.on('drain', () => this.#drained());
    socket.on('data', this.#onData);
    socket.resume();
  }

  #newParser(limits: StreamLimits): StreamParser {
    return new StreamParser(limits, NS_SERVER);
  }

  #write(text: string): void {
    if (this.#isOver || this.#socket.write(text) || this.#cancelStuck !== undefined) return;
    const { clock, limits, count } = this.#options;
    this.#cancelStuck = clock.after(limits.writeTimeoutMs, () => {
      count('peer-stuck');
      this.#destroy();
    });
  }

  #drained(): void {
    this.#cancelStuck?.();
    this.#cancelStuck = undefined;
  }

  #pause(why: Pause): void {
    this.#pauses.add(why);
    this.#socket.pause();
  }

  #resume(why: Pause): void {
    this.#pauses.delete(why);
    if (this.#pauses.size === 0 && !this.#isOver) this.#socket.resume();
  }

  #finish(text: string): void {
    if (this.#isOver) return;
    if (this.#isShaking) return this.#destroy(); // nothing can be said in the middle of a handshake
    this.#over();
    const socket = this.#socket;
    const raw = this.#raw;
    socket.resume();
    socket.end(text);
    const cancel = this.#options.clock.after(this.#options.limits.closeTimeoutMs, () => raw.destroy());
    raw.once('close', cancel);
  }

  #destroy(): void {
    this.#over();
    this.#raw.destroy();
  }

  #gone(): void {
    if (this.#isOver) return;
    this.#over();
    this.#socket.end();
    const raw = this.#raw;
    const cancel = this.#options.clock.after(this.#options.limits.closeTimeoutMs, () => raw.destroy());
    raw.once('close', cancel);
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelStuck?.();
    this.#cancelRate?.();
    this.#cancelHandshake();
    this.#cancelSignIn();
    this.#listener.onOver();
  }
}
