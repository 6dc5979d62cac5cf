// The server's end of one HTTP/1.1 connection over any Duplex (RFC 9112 §9): reads requests strictly, hands them out
// one at a time, writes the answers, and closes on anything malformed. Pipelined requests wait in the socket.
// Trusts the peer with nothing: head, body and silence are bounded by `ServerLimits`; memory per connection is one
// head, one read of the stream and `maxBufferedBytes` of answer.
import type { Duplex } from 'node:stream';
import type { Deadlines } from './deadlines.ts';
import { HttpError } from './http-error.ts';
import { IncomingBody } from './incoming-body.ts';
import type { Framing } from './message.ts';
import { MessageInput } from './message-input.ts';
import { parseRequest, type RequestLimits } from './parse-request.ts';
import { printResponseHead } from './print.ts';
import { refusal, ServerExchange } from './server-exchange.ts';
import { StuckReader } from './stuck-reader.ts';

/** What one connection may cost. */
export interface ServerLimits extends RequestLimits {
  readonly maxBodyBytes: number;
  /** Silence between two requests. */
  readonly idleMs: number;
  /** From the connection's start, or a later request's first byte, to the end of the head. */
  readonly headMs: number;
  /** A body must bring `minBodyBytes`, or its end, in each `bodyMs` that we are ready to read it. */
  readonly bodyMs: number;
  readonly minBodyBytes: number;
  /** How long an answer may wait without the peer reading any of it. */
  readonly writeMs: number;
  /** After our last answer the peer may go on sending this much and this long, so that it can read the answer. */
  readonly lingerBytes: number;
  readonly lingerMs: number;
  /** Answer bytes held for a peer that reads slowly. */
  readonly maxBufferedBytes: number;
  /** Requests on one connection. */
  readonly maxRequests: number;
}

export interface ServerConnectionOptions {
  readonly limits: ServerLimits;
  readonly deadlines: Deadlines;
  /** When the first head must be there; `headMs` from now unless the connection's time began earlier. */
  readonly headDeadlineMs?: number | undefined;
  /** Value of `Server` in answers that this connection makes itself. */
  readonly serverName: string;
  readonly onRequest: (exchange: ServerExchange) => void;
  /** A request was refused or the connection cut for this reason, for counting and logging. */
  readonly onRefused: (reason: HttpError) => void;
  readonly onClose: () => void;
}

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n';
const NEVER = Number.POSITIVE_INFINITY;

/** Serves HTTP/1.1 on a stream that it owns from here on. */
export class HttpServerConnection {
  readonly stream: Duplex;
  readonly #options: ServerConnectionOptions;
  readonly #limits: ServerLimits;
  readonly #input: MessageInput;
  readonly #stuckReader: StuckReader;
  #exchange: ServerExchange | undefined;
  #requests = 0;
  #draining = false;
  #closed = false;
  /** Bytes discarded after our last answer; -1 while still serving. */
  #lingered = -1;
  #readDeadlineMs: number;
  #awaitsFirstByte = false;
  #bodyWindowStart = 0;

  constructor(stream: Duplex, options: ServerConnectionOptions) {
    this.stream = stream;
    this.#options = options;
    this.#limits = options.limits;
    this.#readDeadlineMs = options.headDeadlineMs ?? options.deadlines.nowMs + options.limits.headMs;
    this.#stuckReader = new StuckReader(stream, options.limits.writeMs);
    this.#input = new MessageInput(stream, options.limits, {
      readable: () => this.#readable(),
      onHead: (text) => this.#onHead(text),
      onBody: (piece) => this.#onBody(piece),
      onEnd: () => this.#onEnd(),
      onMalformed: (error) => this.#refuse(error),
      onRead: () => this.#onRead(),
    });
    stream.on('error', () => this.#lost());
    stream.on('close', () => this.#lost());
    stream.on('end', () => this.#onInputEnd());
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    options.deadlines.add(this);
  }

  get serverName(): string {
    return this.#options.serverName;
  }

  get maxBufferedBytes(): number {
    return this.#limits.maxBufferedBytes;
  }

  /** No request is being read or answered. */
  get idle(): boolean {
    return this.#exchange === undefined && !this.#input.midMessage;
  }

  /** Takes no further request: closes now if idle, else behind the current answer. */
  drain(): void {
    this.#draining = true;
    if (this.idle) this.#destroy(connectionClosed());
  }

  /** Cuts the connection. */
  close(reason: HttpError): void {
    if (this.#closed) return;
    this.#options.onRefused(reason);
    this.#destroy(reason);
  }

  /** Gives the stream away to another protocol, from within `onRequest`: nothing is answered here any more. */
  release(): void {
    this.#closed = true;
    this.#exchange = undefined;
    this.#options.deadlines.delete(this);
    this.#input.release();
    this.stream.removeAllListeners('data');
    this.#options.onClose();
  }

  #onData(chunk: Buffer): void {
    if (this.#lingered < 0) this.#input.push(chunk);
    else this.#linger(chunk.length);
  }

  #readable(): boolean {
    if (this.#closed || this.#lingered >= 0) return false;
    if (this.#exchange === undefined) return true;
    return !this.#exchange.body.complete && !this.#exchange.body.paused;
  }

  /** The head's time begins with its first byte (RFC 9112 leaves timeouts to us). */
  #onRead(): void {
    if (!this.#awaitsFirstByte || this.#exchange !== undefined || !this.#input.midMessage) return;
    this.#awaitsFirstByte = false;
    this.#readDeadlineMs = this.#options.deadlines.nowMs + this.#limits.headMs;
  }

  #onHead(text: string): Framing {
    const request = parseRequest(text, this.#limits);
    const { framing } = request;
    if (framing.kind === 'length' && framing.bytes > this.#limits.maxBodyBytes) throw bodyTooLarge();
    this.#requests++;
    this.#bodyWindowStart = 0;
    this.#awaitsFirstByte = false;
    this.#readDeadlineMs = NEVER;
    const exchange = new ServerExchange(this, request, new IncomingBody(framing, this));
    this.#exchange = exchange;
    this.#options.onRequest(exchange);
    return framing;
  }

  #onBody(piece: Buffer): void {
    const body = this.#exchange?.body;
    if (body === undefined) return;
    if (body.bytes + piece.length > this.#limits.maxBodyBytes) throw bodyTooLarge();
    body.deliver(piece);
    if (body.bytes - this.#bodyWindowStart >= this.#limits.minBodyBytes && !body.paused)
      this.#openBodyWindow(body);
  }

  #openBodyWindow(body: IncomingBody): void {
    this.#bodyWindowStart = body.bytes;
    this.#readDeadlineMs = this.#options.deadlines.nowMs + this.#limits.bodyMs;
  }

  #onEnd(): void {
    if (this.#exchange === undefined) return;
    this.#readDeadlineMs = NEVER;
    this.#exchange.body.finish();
    this.#finishExchange();
  }

  /** For IncomingBody: the handler is ready for the body. Now is the time to ask for it (RFC 9110 §10.1.1). */
  resumeBody(): void {
    const exchange = this.#exchange;
    if (exchange === undefined || this.#closed) return;
    if (
      exchange.request.expectContinue &&
      exchange.body.bytes === 0 &&
      !exchange.answered &&
      !this.#input.holding
    ) {
      this.stream.write(CONTINUE, 'latin1');
    }
    this.#openBodyWindow(exchange.body);
    this.#input.readOn();
  }

  /** For IncomingBody: the handler is not ready. */
  pauseBody(): void {
    this.#readDeadlineMs = NEVER;
    this.#input.pause();
  }

  /** For ServerExchange. An answer before the request's end closes: what follows may never be read. */
  closesAfter(exchange: ServerExchange): boolean {
    return (
      exchange.request.close ||
      this.#draining ||
      this.#requests >= this.#limits.maxRequests ||
      !exchange.body.complete
    );
  }

  /** For ServerExchange. */
  answerWritten(close: boolean): void {
    if (close) this.#endAfterAnswer();
    else this.#finishExchange();
  }

  #finishExchange(): void {
    if (this.#exchange === undefined || !this.#exchange.over || !this.#exchange.body.complete) return;
    this.#exchange = undefined;
    if (this.#draining) return this.#endAfterAnswer();
    this.#awaitsFirstByte = true;
    this.#readDeadlineMs = this.#options.deadlines.nowMs + this.#limits.idleMs;
    this.#input.readOn();
  }

  #refuse(error: HttpError): void {
    const exchange = this.#exchange;
    this.#options.onRefused(error);
    if (exchange?.answered === true) return this.#destroy(error);
    exchange?.abort(error);
    this.stream.write(printResponseHead(refusal(error, this.#options.serverName), 0, true), 'latin1');
    this.#endAfterAnswer();
  }

  /** Half-closes and discards what still comes for a while: a reset would destroy the answer on its way (RFC 9112 §9.6). */
  #endAfterAnswer(): void {
    this.#exchange?.body.fail(new HttpError(400, 'cancelled', 'answered before the request was complete'));
    this.#exchange = undefined;
    this.#input.stop();
    this.#lingered = 0;
    this.#readDeadlineMs = this.#options.deadlines.nowMs + this.#limits.lingerMs;
    this.stream.end();
    this.stream.resume();
  }

  #linger(bytes: number): void {
    this.#lingered += bytes;
    if (this.#lingered > this.#limits.lingerBytes) this.#destroy(connectionClosed());
  }

  #onInputEnd(): void {
    if (this.#closed || (this.#lingered >= 0 && !this.stream.writableFinished)) return;
    if (this.#exchange === undefined && this.#lingered < 0 && this.#input.midMessage) {
      this.#options.onRefused(new HttpError(400, 'truncated', 'request ended in the middle'));
    }
    this.#destroy(new HttpError(400, 'cancelled', 'peer went away'));
  }

  #lost(): void {
    this.#destroy(new HttpError(400, 'cancelled', 'connection lost'));
  }

  #destroy(reason: HttpError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.deadlines.delete(this);
    this.#input.stop();
    this.#exchange?.abort(reason);
    this.#exchange = undefined;
    this.stream.destroy();
    this.#options.onClose();
  }

  /** For Deadlines. */
  expire(nowMs: number): void {
    if (this.#stuckReader.check(nowMs, this.#exchange?.bytesOut ?? 0)) {
      this.close(new HttpError(408, 'write-timeout', 'peer does not read the answer'));
    } else if (nowMs >= this.#readDeadlineMs) this.#readTooLate();
  }

  #readTooLate(): void {
    if (this.#lingered >= 0 || this.#awaitsFirstByte) return this.#destroy(connectionClosed());
    if (this.#exchange !== undefined)
      return this.#refuse(new HttpError(408, 'body-timeout', 'request body came too slowly'));
    if (this.#input.midMessage)
      return this.#refuse(new HttpError(408, 'head-timeout', 'request head came too slowly'));
    this.close(new HttpError(408, 'idle-timeout', 'no request came'));
  }
}

function bodyTooLarge(): HttpError {
  return new HttpError(413, 'body-too-large', 'request body exceeds the limit');
}

function connectionClosed(): HttpError {
  return new HttpError(400, 'cancelled', 'connection closed');
}
