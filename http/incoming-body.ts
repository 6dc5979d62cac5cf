// A body on its way in (RFC 9110 §6.4). Nothing flows before `pipe`: until then its bytes stay in the socket, so an
// unread body costs no memory beyond one read.
import { type BodySink, nowhere } from './body-sink.ts';
import { HttpError } from './http-error.ts';
import type { BodyLength, Framing } from './message.ts';

/** What a body asks of the connection it comes from. */
export interface BodyFlow {
  /** Someone wants the bytes (again). */
  resumeBody(): void;
  pauseBody(): void;
}

/** One message's body. Pipe it, collect it or discard it; exactly one of them, once. */
export class IncomingBody {
  /** What to announce when the body is sent on as it is. */
  readonly length: BodyLength;
  /** Body bytes handed on so far. */
  bytes = 0;
  #flow: BodyFlow;
  #sink: BodySink | undefined;
  #paused = true;
  #complete: boolean;
  #failure: HttpError | undefined;

  constructor(framing: Framing, flow: BodyFlow, declaredLength?: number) {
    this.length = lengthToAnnounce(framing, declaredLength);
    this.#complete = framing.kind === 'none' || (framing.kind === 'length' && framing.bytes === 0);
    this.#flow = flow;
  }

  /** Every byte has been handed on, or there never was one. */
  get complete(): boolean {
    return this.#complete;
  }

  get paused(): boolean {
    return this.#paused && !this.#complete;
  }

  /** Lets the body flow into `sink` until its end; `sink.abort` is called if it breaks off. */
  pipe(sink: BodySink): void {
    this.#sink = sink;
    if (this.#failure !== undefined) return sink.abort(this.#failure);
    if (this.#complete) return sink.end();
    sink.onDrain = () => this.#resume();
    this.#resume();
  }

  /** Reads the whole body into memory; rejects with HttpError 413 beyond `maxBytes`. */
  async collect(maxBytes: number): Promise<Buffer> {
    if (typeof this.length === 'number' && !this.#complete && this.length > maxBytes) throw tooLarge();
    return new Promise((resolve, reject) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      const refuse = (reason: HttpError): void => reject(reason);
      this.pipe({
        onDrain: undefined,
        write: (piece) => {
          bytes += piece.length;
          if (bytes > maxBytes) {
            pieces.length = 0;
            refuse(tooLarge());
            return true;
          }
          pieces.push(piece);
          return true;
        },
        end: () =>
          resolve(pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : Buffer.concat(pieces)),
        abort: refuse,
      });
    });
  }

  /** Lets the body flow into nothing. */
  discard(): void {
    this.pipe(nowhere());
  }

  /** For the connection: a piece has come. */
  deliver(piece: Buffer): void {
    this.bytes += piece.length;
    if (this.#sink?.write(piece) === false && !this.#complete) this.#pause();
  }

  /** For the connection: the last piece has been delivered. */
  finish(): void {
    if (this.#complete) return;
    this.#complete = true;
    this.#sink?.end();
  }

  /** For the connection: no more will come although more was promised. */
  fail(reason: HttpError): void {
    if (this.#complete || this.#failure !== undefined) return;
    this.#failure = reason;
    this.#sink?.abort(reason);
  }

  #pause(): void {
    this.#paused = true;
    this.#flow.pauseBody();
  }

  #resume(): void {
    if (!this.#paused || this.#complete || this.#failure !== undefined) return;
    this.#paused = false;
    this.#flow.resumeBody();
  }
}

function lengthToAnnounce(framing: Framing, declaredLength: number | undefined): BodyLength {
  if (framing.kind === 'length') return framing.bytes;
  if (framing.kind === 'none') return declaredLength ?? 'none';
  return 'chunked';
}

function tooLarge(): HttpError {
  return new HttpError(413, 'body-too-large', 'body exceeds the limit');
}
