// The client's end of one HTTP/1.1 connection over any Duplex (RFC 9112 §9): one request at a time, kept alive when
// the answer allows it, cancelled by destroying the stream. Answers are read as strictly as requests; bytes nobody
// asked for, or an answer that could be cut in two ways, end the connection (RFC 9112 §11.1).
import type { Duplex } from 'node:stream';
import type { BodySink } from './body-sink.ts';
import { BodyWriter } from './body-writer.ts';
import type { Deadlines } from './deadlines.ts';
import { HttpError } from './http-error.ts';
import { IncomingBody } from './incoming-body.ts';
import type { BodyLength, Framing, HeadLimits, OutgoingRequest, ResponseHead } from './message.ts';
import { MessageInput } from './message-input.ts';
import { parseResponse } from './parse-response.ts';
import { printRequestHead } from './print.ts';
import { StuckReader } from './stuck-reader.ts';

/** What one connection to a server may cost. */
export interface ClientLimits extends HeadLimits {
  /** From the last byte of the request (or its last progress) to the answer's head. */
  readonly responseMs: number;
  /** The longest silence within an answer's body while we are ready to read it. */
  readonly bodyMs: number;
  /** How long request bytes may wait without the server reading any. */
  readonly writeMs: number;
  /** Request bytes held for a server that reads slowly. */
  readonly maxBufferedBytes: number;
  /** Interim (1xx) answers before the final one; they are read and dropped. */
  readonly maxInterim: number;
}

export interface ClientConnectionOptions {
  readonly limits: ClientLimits;
  readonly deadlines: Deadlines;
  /** Request and answer are complete and the connection can take the next request. */
  readonly onIdle: (connection: HttpClientConnection) => void;
  readonly onClose: (connection: HttpClientConnection) => void;
}

/** What becomes of one request: exactly one of the two is called, once. */
export interface ResponseHandler {
  /** The final answer's head. If the body breaks off later, its sink gets `abort`. */
  onResponse(head: ResponseHead, body: IncomingBody): void;
  /** There will be no answer. Not called after `destroy` by the caller itself. */
  onFailure(error: HttpError): void;
}

const NEVER = Number.POSITIVE_INFINITY;
const NOT_READ = { onResponse: () => undefined, onFailure: () => undefined };

/** Sends requests on a stream that it owns from here on. */
export class HttpClientConnection {
  /** Requests sent so far. A failure without an answer on a connection with more than one is most often a stale connection. */
  requests = 0;
  readonly #stream: Duplex;
  readonly #options: ClientConnectionOptions;
  readonly #limits: ClientLimits;
  readonly #input: MessageInput;
  readonly #stuckReader: StuckReader;
  /** Set from a request's start to its answer's head. */
  #handler: ResponseHandler | undefined;
  #writer: BodyWriter | undefined;
  #body: IncomingBody | undefined;
  #method = '';
  #busy = false;
  #lastAnswer = false;
  #interim = 0;
  #closed = false;
  #readDeadlineMs = NEVER;

  constructor(stream: Duplex, options: ClientConnectionOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#limits = options.limits;
    this.#stuckReader = new StuckReader(stream, options.limits.writeMs);
    this.#input = new MessageInput(stream, options.limits, {
      readable: () => this.#readable(),
      onHead: (text) => this.#onHead(text),
      onBody: (piece) => this.#onBody(piece),
      onEnd: () => this.#onEnd(),
      onMalformed: (error) => this.#fail(asBadResponse(error)),
      onRead: () => this.#finish(),
    });
    stream.on('error', () => this.#lost());
    stream.on('close', () => this.#lost());
    stream.on('end', () => this.#onInputEnd());
    stream.on('data', (chunk: Buffer) => this.#onData(chunk));
    options.deadlines.add(this);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Whether `start` may be called. */
  get idle(): boolean {
    return !this.#busy && !this.#closed;
  }

  /** Starts a request; its body goes into the returned sink, whose `end` must be called in any case. Throws Error unless idle. */
  start(request: OutgoingRequest, length: BodyLength, handler: ResponseHandler): BodySink {
    if (!this.idle) throw new Error('connection is not idle');
    const head = printRequestHead(request, length, false);
    this.requests++;
    this.#busy = true;
    this.#handler = handler;
    this.#method = request.method;
    this.#interim = 0;
    this.#body = undefined;
    this.#readDeadlineMs = NEVER;
    const { maxBufferedBytes } = this.#limits;
    this.#writer = new BodyWriter(this.#stream, this, { head, length, bodyless: false, maxBufferedBytes });
    return this.#writer;
  }

  /** Sends a whole request. */
  send(request: OutgoingRequest, body: Buffer | undefined, handler: ResponseHandler): void {
    const sink = this.start(request, body === undefined ? 'none' : body.length, handler);
    if (body !== undefined) sink.write(body);
    sink.end();
  }

  /** Cancels whatever is going on and closes. The current handler is not called; a body that was flowing is aborted. */
  destroy(reason: HttpError): void {
    this.#handler = undefined;
    this.#fail(reason);
  }

  /** For BodyWriter. */
  bodyWritten(): void {
    if (this.#handler !== undefined)
      this.#readDeadlineMs = this.#options.deadlines.nowMs + this.#limits.responseMs;
    if (!this.#input.reading) this.#finish();
  }

  /** For BodyWriter: half a request cannot be taken back. */
  bodyAborted(reason: HttpError): void {
    this.#fail(reason);
  }

  /** For IncomingBody. */
  resumeBody(): void {
    if (this.#closed) return;
    this.#readDeadlineMs = this.#options.deadlines.nowMs + this.#limits.bodyMs;
    this.#input.readOn();
  }

  /** For IncomingBody. */
  pauseBody(): void {
    this.#readDeadlineMs = NEVER;
    this.#input.pause();
  }

  /** For Deadlines. */
  expire(nowMs: number): void {
    if (this.#stuckReader.check(nowMs, this.#writer?.bytes ?? 0)) {
      this.#fail(new HttpError(504, 'write-timeout', 'server does not read the request'));
    } else if (nowMs >= this.#readDeadlineMs) {
      const reason = this.#body === undefined ? 'response-timeout' : 'body-timeout';
      this.#fail(new HttpError(504, reason, 'server does not answer'));
    }
  }

  #readable(): boolean {
    if (this.#closed || this.#body === undefined) return !this.#closed;
    return !this.#body.complete && !this.#body.paused;
  }

  #onData(chunk: Buffer): void {
    if (this.#busy) this.#input.push(chunk);
    else this.#fail(new HttpError(502, 'unexpected-data', 'server sent bytes nobody asked for'));
  }

  #onHead(text: string): Framing {
    const handler = this.#handler;
    if (handler === undefined) throw new HttpError(502, 'unexpected-data', 'second answer to one request');
    const head = parseResponse(text, this.#limits, this.#method);
    if (head.status < 200) return this.#onInterim(head);
    const body = new IncomingBody(head.framing, this, head.declaredLength);
    this.#handler = undefined;
    this.#body = body;
    this.#lastAnswer = head.close;
    this.#readDeadlineMs = NEVER;
    handler.onResponse(head, body);
    return head.framing;
  }

  /** RFC 9110 §15.2: we asked for no 101, and would not know what to do with the stream after one. */
  #onInterim(head: ResponseHead): Framing {
    if (head.status === 101 || ++this.#interim > this.#limits.maxInterim) {
      throw new HttpError(502, 'bad-response', 'interim answer that was not asked for');
    }
    return head.framing;
  }

  #onBody(piece: Buffer): void {
    this.#body?.deliver(piece);
    if (this.#body?.paused === false)
      this.#readDeadlineMs = this.#options.deadlines.nowMs + this.#limits.bodyMs;
  }

  #onEnd(): void {
    if (this.#handler !== undefined) return;
    this.#readDeadlineMs = NEVER;
    this.#body?.finish();
  }

  /**
   * Once request and answer are complete and what came with the answer's last byte has been looked at: idle again,
   * unless either side said that it was the last, the answer cut the request short, or bytes follow that nobody asked
   * for. Those must never meet the next request, whose answer they would pass for.
   */
  #finish(): void {
    if (this.#closed || !this.#busy || this.#body?.complete !== true) return;
    if (this.#writer?.ended !== true || this.#lastAnswer || this.#input.holding || this.#input.midMessage) {
      return this.#close(new HttpError(502, 'connection-lost', 'connection cannot be used again'));
    }
    this.#busy = false;
    this.#body = undefined;
    this.#writer = undefined;
    this.#input.readOn(); // the last piece may have paused the stream
    this.#options.onIdle(this);
  }

  /** An end before the answer's first byte is how a server closes an idle connection; later it cuts the answer. */
  #onInputEnd(): void {
    const complete = this.#input.endOfInput();
    if (complete) this.#lost();
    else this.#fail(new HttpError(502, 'truncated', 'server ended the connection within its answer'));
  }

  #lost(): void {
    this.#fail(new HttpError(502, 'connection-lost', 'connection to server lost'));
  }

  #fail(error: HttpError): void {
    if (this.#closed) return;
    const handler = this.#handler ?? NOT_READ;
    this.#handler = undefined;
    this.#close(error);
    handler.onFailure(error);
  }

  #close(reason: HttpError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.deadlines.delete(this);
    this.#input.stop();
    this.#body?.fail(reason);
    this.#stream.destroy();
    this.#options.onClose(this);
  }
}

/** What is wrong with an answer is the server's fault: our own client is told 502. */
function asBadResponse(error: HttpError): HttpError {
  return error.status === 502 ? error : new HttpError(502, error.reason, error.message, { cause: error });
}
