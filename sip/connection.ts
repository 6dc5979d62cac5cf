// One SIP connection over any Duplex (TCP, TLS, a tunnel): framing in, bounded queue out, keepalive both ways.
// RFC 3261 §18, RFC 5626 §4.4.1; STUN Binding inside the stream (mra-wire §3.7) through an injected function.
// Trusts nothing from the peer. Owns the stream from construction on: whatever fails, it is destroyed here.

import type { Duplex } from 'node:stream';
import { createErrorResponse } from './build.ts';
import type { Clock, TimerHandle } from './clock.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { SipParseError } from './parse-error.ts';
import type { ParseFault } from './parse-error.ts';
import type { ParseLimits } from './parse.ts';
import { SipStreamFramer } from './stream-framer.ts';
import type { FrameEvent } from './stream-framer.ts';
import type { SipTransport } from './transport.ts';

/** Words a connection counts under; `malformed` and `fatal` come with the fault. */
export type ConnectionEvent =
  | 'ping-received'
  | 'pong-received'
  | 'stun-answered'
  | 'stun-unanswered'
  | 'malformed'
  | 'fatal'
  | 'queue-full'
  | 'keepalive-dead';

/** Sends CRLFCRLF each `pingIntervalMs`; with nothing heard for `deadAfterMs` the connection is given up. */
export interface KeepaliveOptions {
  readonly pingIntervalMs: number;
  readonly deadAfterMs: number;
}

export interface SipConnectionOptions {
  /** Unique while the process lives; for logs and tables. */
  readonly id: string;
  /** Transactions are matched only within a scope: see SipTransport. */
  readonly scope: string;
  readonly limits: ParseLimits;
  /** Bytes that may wait for a peer that does not read; beyond, the connection is closed. */
  readonly maxQueueBytes: number;
  /** How long a closing connection may take to flush. */
  readonly closeTimeoutMs: number;
  readonly clock: Clock;
  readonly count: (event: ConnectionEvent, fault?: ParseFault) => void;
  readonly keepalive?: KeepaliveOptions;
  /** Answers a STUN message found in the stream; undefined: no answer. */
  readonly answerStun?: (request: Buffer) => Buffer | undefined;
}

export interface SipConnectionHandlers {
  onMessage(message: SipRequest | SipResponse, connection: SipConnection): void;
  /** A message was refused (and, where it can be, answered). */
  onRefused?(error: SipParseError, connection: SipConnection): void;
  /** Called once, whoever closed. */
  onClose(reason: string, connection: SipConnection): void;
}

const PING = Buffer.from('\r\n\r\n');
const PONG = Buffer.from('\r\n');

/** A connection that carries SIP. Reading starts at construction. */
export class SipConnection implements SipTransport {
  readonly id: string;
  readonly scope: string;
  readonly isReliable = true;
  readonly #stream: Duplex;
  readonly #options: SipConnectionOptions;
  readonly #handlers: SipConnectionHandlers;
  readonly #framer: SipStreamFramer;
  #closeReason: string | undefined;
  #hasEnded = false;
  #isCorked = false;
  #lastHeard: number;
  #timer: TimerHandle | undefined;
  #closeTimer: TimerHandle | undefined;

  constructor(stream: Duplex, options: SipConnectionOptions, handlers: SipConnectionHandlers) {
    this.id = options.id;
    this.scope = options.scope;
    this.#stream = stream;
    this.#options = options;
    this.#handlers = handlers;
    this.#framer = new SipStreamFramer(options.limits);
    this.#lastHeard = options.clock.now();
    stream.on('error', (error) => this.#destroy(`error: ${errorCode(error)}`));
    stream.on('close', () => this.#ended('closed by peer'));
    stream.on('end', () => this.close('ended by peer'));
    stream.on('data', (chunk: Buffer) => this.#received(chunk));
    this.#scheduleKeepalive();
  }

  get isOpen(): boolean {
    return this.#closeReason === undefined && !this.#hasEnded;
  }

  /** When bytes last arrived, by the injected clock. */
  get lastHeard(): number {
    return this.#lastHeard;
  }

  /** Queues bytes; false when the connection is or becomes unusable. */
  send(bytes: Buffer): boolean {
    if (!this.isOpen) return false;
    if (this.#stream.writableLength + bytes.length > this.#options.maxQueueBytes) {
      this.#options.count('queue-full');
      this.#destroy('output queue full');
      return false;
    }
    this.#corkForThisRound();
    this.#stream.write(bytes);
    return true;
  }

  /** Flushes what is queued and closes; safe to call twice. */
  close(reason: string): void {
    if (!this.isOpen) return;
    this.#closeReason = reason;
    this.#stopTimers();
    this.#closeTimer = this.#options.clock.setTimer(
      () => this.#stream.destroy(),
      this.#options.closeTimeoutMs,
    );
    this.#stream.end(() => this.#stream.destroy());
  }

  // What is written while the event loop hands out one round of input leaves as one TLS record or segment: on a link
  // that carries many clients this is the dearest part of a message.
  #corkForThisRound(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#stream.cork();
    setImmediate(() => {
      this.#isCorked = false;
      this.#stream.uncork();
    });
  }

  #received(chunk: Buffer): void {
    this.#lastHeard = this.#options.clock.now();
    for (const event of this.#framer.push(chunk)) {
      if (!this.isOpen) return;
      this.#handle(event);
    }
  }

  #handle(event: FrameEvent): void {
    switch (event.kind) {
      case 'message':
        this.#deliver(event.message);
        return;
      case 'malformed':
        this.#refuse('malformed', event.error);
        return;
      case 'ping':
        this.#options.count('ping-received');
        this.send(PONG);
        return;
      case 'pong':
        this.#options.count('pong-received');
        return;
      case 'stun':
        this.#answerStun(event.bytes);
        return;
      case 'error':
        this.#refuse('fatal', event.error);
        this.close(`malformed stream: ${event.error.code}`);
        return;
    }
  }

  // The last net: a header nobody had read so far may be malformed when the receiver reads it.
  #deliver(message: SipRequest | SipResponse): void {
    try {
      this.#handlers.onMessage(message, this);
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error;
      if (message.kind === 'request') error.request ??= message;
      this.#refuse('malformed', error);
    }
  }

  #refuse(event: 'malformed' | 'fatal', error: SipParseError): void {
    this.#options.count(event, error.code);
    const response = createErrorResponse(error);
    if (response !== undefined) this.send(response.print());
    this.#handlers.onRefused?.(error, this);
  }

  #answerStun(request: Buffer): void {
    const answer = this.#options.answerStun?.(request);
    this.#options.count(answer === undefined ? 'stun-unanswered' : 'stun-answered');
    if (answer !== undefined) this.send(answer);
  }

  #scheduleKeepalive(): void {
    const { keepalive, clock } = this.#options;
    if (keepalive === undefined || !this.isOpen) return;
    const untilDead = this.#lastHeard + keepalive.deadAfterMs - clock.now();
    const delayMs = Math.max(Math.min(keepalive.pingIntervalMs, untilDead), 1);
    const dueBy = clock.now() + delayMs;
    this.#timer = clock.setTimer(() => this.#ping(keepalive, dueBy), delayMs);
  }

  // A timer that fires late means that we were stopped, not the peer: its bytes may be waiting unread, so the
  // verdict is left to the next round.
  #ping(keepalive: KeepaliveOptions, dueBy: number): void {
    const now = this.#options.clock.now();
    const wasStopped = now - dueBy > keepalive.pingIntervalMs;
    if (now - this.#lastHeard >= keepalive.deadAfterMs && !wasStopped) {
      this.#options.count('keepalive-dead');
      this.#destroy(`peer has been silent for ${keepalive.deadAfterMs / 1000} s`);
      return;
    }
    if (wasStopped)
      this.#lastHeard = Math.max(this.#lastHeard, now - keepalive.deadAfterMs + keepalive.pingIntervalMs);
    this.#framer.pingSent();
    if (this.send(PING)) this.#scheduleKeepalive();
  }

  // The reason goes with the stream (`errored`), for whoever made it and shows why it ended.
  #destroy(reason: string): void {
    this.#closeReason ??= reason;
    this.#stopTimers();
    this.#stream.destroy(new Error(reason));
  }

  #ended(reason: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#stopTimers();
    if (this.#closeTimer !== undefined) this.#options.clock.clearTimer(this.#closeTimer);
    this.#handlers.onClose(this.#closeReason ?? reason, this);
  }

  #stopTimers(): void {
    if (this.#timer !== undefined) this.#options.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }
}

function errorCode(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
