// A message on its way out: head, then body framed by length or in chunks (RFC 9112 §6-7). The head waits for the
// first piece of the body, so that a small message is one write, one TLS record and one packet; if none comes in this
// turn of the event loop, it goes alone. Never sends more or fewer bytes than the head announced.
import type { Duplex } from 'node:stream';
import type { BodySink } from './body-sink.ts';
import { HttpError } from './http-error.ts';
import type { BodyLength } from './message.ts';

/** Up to here a piece is copied behind what precedes it; larger ones are passed through uncopied. */
const MERGE_BYTES = 16_384;
const CRLF = Buffer.from('\r\n');
const LAST_CHUNK = '0\r\n\r\n';

/** What a writer asks of the connection it writes to. */
export interface WriterOwner {
  /** The last byte has been handed to the stream. */
  bodyWritten(): void;
  /** The body broke off: the connection cannot be used any more. */
  bodyAborted(reason: HttpError): void;
}

/** Sends one message. */
export class BodyWriter implements BodySink {
  onDrain: (() => void) | undefined;
  /** Body bytes sent so far, without framing. */
  bytes = 0;
  readonly #stream: Duplex;
  readonly #owner: WriterOwner;
  readonly #maxBufferedBytes: number;
  readonly #length: BodyLength;
  readonly #bodyless: boolean;
  readonly #flushed = (): void => this.onDrain?.();
  #head: string | undefined;
  #ended = false;

  /** `bodyless`: the head announces a body that is not sent (answer to HEAD, status 304). */
  constructor(stream: Duplex, owner: WriterOwner, options: WriterOptions) {
    this.#stream = stream;
    this.#owner = owner;
    this.#maxBufferedBytes = options.maxBufferedBytes;
    this.#length = options.length;
    this.#bodyless = options.bodyless;
    this.#head = options.head;
    process.nextTick(flushHead, this);
  }

  get ended(): boolean {
    return this.#ended;
  }

  write(piece: Buffer): boolean {
    if (this.#ended || this.#bodyless || piece.length === 0) return true;
    this.bytes += piece.length;
    const full = this.#stream.writableLength + piece.length >= this.#maxBufferedBytes;
    if (this.#length === 'chunked') this.#writeChunk(piece, full);
    else if (this.#exceedsLength()) return this.#breakOff('more body than announced');
    else this.#writePlain(piece, full);
    return !full;
  }

  end(): void {
    if (this.#ended) return;
    if (!this.#bodyless && typeof this.#length === 'number' && this.bytes < this.#length) {
      this.#breakOff('less body than announced');
      return;
    }
    this.#ended = true;
    const last = this.#length === 'chunked' && !this.#bodyless ? LAST_CHUNK : '';
    const rest = this.#takeHead() + last;
    if (rest !== '') this.#stream.write(rest, 'latin1');
    this.#owner.bodyWritten();
  }

  abort(reason: HttpError): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#head = undefined;
    this.#owner.bodyAborted(reason);
  }

  /** Sends the head now if nothing has taken it along. */
  flush(): void {
    const head = this.#takeHead();
    if (head !== '' && !this.#stream.destroyed) this.#stream.write(head, 'latin1');
  }

  #takeHead(): string {
    const head = this.#head ?? '';
    this.#head = undefined;
    return head;
  }

  #exceedsLength(): boolean {
    return this.#length === 'none' || (typeof this.#length === 'number' && this.bytes > this.#length);
  }

  #breakOff(message: string): boolean {
    this.abort(new HttpError(500, 'internal', message));
    return true;
  }

  #writePlain(piece: Buffer, full: boolean): void {
    const head = this.#takeHead();
    if (head === '') this.#send(piece, full);
    else if (piece.length <= MERGE_BYTES) this.#send(merge(head, piece, ''), full);
    else this.#sendCorked(head, piece, undefined, full);
  }

  #writeChunk(piece: Buffer, full: boolean): void {
    const before = `${this.#takeHead()}${piece.length.toString(16)}\r\n`;
    if (piece.length <= MERGE_BYTES) this.#send(merge(before, piece, '\r\n'), full);
    else this.#sendCorked(before, piece, CRLF, full);
  }

  #sendCorked(before: string, piece: Buffer, after: Buffer | undefined, full: boolean): void {
    this.#stream.cork();
    this.#stream.write(before, 'latin1');
    this.#send(piece, full);
    if (after !== undefined) this.#stream.write(after);
    this.#stream.uncork();
  }

  /** When `full`, the write's own completion means room: 'drain' would wait for the stream's limit, which may be far above ours. */
  #send(bytes: Buffer, full: boolean): void {
    if (full) this.#stream.write(bytes, this.#flushed);
    else this.#stream.write(bytes);
  }
}

export interface WriterOptions {
  readonly head: string;
  readonly length: BodyLength;
  readonly bodyless: boolean;
  /** `write` answers false once the stream holds this much. */
  readonly maxBufferedBytes: number;
}

function flushHead(writer: BodyWriter): void {
  writer.flush();
}

function merge(before: string, piece: Buffer, after: string): Buffer {
  const merged = Buffer.allocUnsafe(before.length + piece.length + after.length);
  merged.write(before, 0, 'latin1');
  merged.set(piece, before.length);
  if (after !== '') merged.write(after, before.length + piece.length, 'latin1');
  return merged;
}
