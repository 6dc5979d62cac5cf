// One request and its answer on a server connection. The handler gets it when the head is in, and answers it exactly
// once: `respond`, `start`, `refuse` or `drop`.
import type { Duplex } from 'node:stream';
import { type BodySink, nowhere } from './body-sink.ts';
import { BodyWriter, type WriterOwner } from './body-writer.ts';
import { HeaderList } from './header-list.ts';
import { type HttpError, reasonPhrase } from './http-error.ts';
import type { IncomingBody } from './incoming-body.ts';
import type { BodyLength, OutgoingResponse, RequestHead } from './message.ts';
import { USUAL_METHODS } from './parse-request.ts';
import { printResponseHead } from './print.ts';

/** What an exchange asks of its connection. */
export interface ExchangeOwner {
  readonly stream: Duplex;
  readonly serverName: string;
  readonly maxBufferedBytes: number;
  /** Whether the answer that starts now has to be the connection's last. */
  closesAfter(exchange: ServerExchange): boolean;
  /** The answer is complete; `close` as it was announced. */
  answerWritten(close: boolean): void;
  /** Cuts the connection. */
  close(reason: HttpError): void;
}

/** A request waiting for its answer. */
export class ServerExchange implements WriterOwner {
  readonly request: RequestHead;
  readonly body: IncomingBody;
  /** Called once if the client goes away, or is cut off, before the answer is complete. */
  onAbort: ((reason: HttpError) => void) | undefined;
  /** Called once when the last byte of the answer has been handed to the connection. */
  onFinish: (() => void) | undefined;
  readonly #owner: ExchangeOwner;
  #writer: BodyWriter | undefined;
  #status = 0;
  #close = false;
  #over = false;

  constructor(owner: ExchangeOwner, request: RequestHead, body: IncomingBody) {
    this.#owner = owner;
    this.request = request;
    this.body = body;
  }

  /** The status sent; 0 before. */
  get status(): number {
    return this.#status;
  }

  get answered(): boolean {
    return this.#status !== 0;
  }

  /** The answer is complete, or will never be. */
  get over(): boolean {
    return this.#over;
  }

  /** Body bytes of the answer sent so far. */
  get bytesOut(): number {
    return this.#writer?.bytes ?? 0;
  }

  /** Sends a whole answer; a text body goes as UTF-8. Does nothing once the exchange is over. */
  respond(head: OutgoingResponse, body: Buffer | string = ''): void {
    const bytes = typeof body === 'string' ? Buffer.from(body) : body;
    const sink = this.start(head, bytes.length);
    sink.write(bytes);
    sink.end();
  }

  /**
   * Sends the head of an answer whose body follows through the returned sink. Throws Error when already answered;
   * once the client is gone, what is sent goes nowhere.
   */
  start(head: OutgoingResponse, length: BodyLength): BodySink {
    if (this.#over && this.#status === 0) return nowhere();
    if (this.#status !== 0) throw new Error('exchange is already answered');
    this.#status = head.status;
    const bodyless = head.status < 200 || head.status === 204 || head.status === 304;
    const announced = announcedLength(head.status, length, bodyless || this.request.method === 'HEAD');
    this.#close = this.#owner.closesAfter(this);
    this.#writer = new BodyWriter(this.#owner.stream, this, {
      head: printResponseHead(head, announced, this.#close),
      length: announced,
      bodyless: bodyless || this.request.method === 'HEAD',
      maxBufferedBytes: this.#owner.maxBufferedBytes,
    });
    return this.#writer;
  }

  /** Sends an empty answer with the error's status. */
  refuse(error: HttpError): void {
    this.respond(refusal(error, this.#owner.serverName));
  }

  /** Gives no answer: cuts the connection. */
  drop(reason: HttpError): void {
    this.#owner.close(reason);
  }

  /** For the connection: the client is gone or cut off. */
  abort(reason: HttpError): void {
    if (this.#over) return;
    this.#over = true;
    this.body.fail(reason);
    this.onAbort?.(reason);
  }

  /** For BodyWriter. */
  bodyWritten(): void {
    if (this.#over) return;
    this.#over = true;
    this.onFinish?.();
    this.#owner.answerWritten(this.#close);
  }

  /** For BodyWriter: half an answer cannot be taken back, only cut off, so that the client sees that it is half. */
  bodyAborted(reason: HttpError): void {
    if (!this.#over) this.#owner.close(reason);
  }
}

/** The head of an empty answer that tells the peer no more than the status. */
export function refusal(error: HttpError, serverName: string): OutgoingResponse {
  const headers = HeaderList.of(['Server', serverName]);
  if (error.status === 405) headers.append('Allow', [...USUAL_METHODS].join(', '));
  return { status: error.status, reasonPhrase: reasonPhrase(error.status), headers };
}

/** 204 and 1xx say nothing of a length (RFC 9110 §8.6); a body that is not sent is never announced as chunked. */
function announcedLength(status: number, length: BodyLength, withheld: boolean): BodyLength {
  if (status < 200 || status === 204) return 'none';
  return withheld && length === 'chunked' ? 'none' : length;
}
