// One connection's incoming bytes as a sequence of messages (RFC 9112 §2.2): head, body pieces, end. No socket and no
// clock: bytes go in, events come out, and the caller says when to go on.
//
//   'head' ──scan complete──▶ onHead ──▶ 'body' ──decoder done──▶ onEnd ──▶ 'head' …
import { type BodyDecoder, ChunkedDecoder, LengthDecoder, UntilCloseDecoder } from './body-decoder.ts';
import { HeadScanner } from './head-scanner.ts';
import type { Framing, HeadLimits } from './message.ts';

/** What the reader's owner is told, in this order for each message. */
export interface MessageEvents {
  /** A whole head as text; returns how the body is framed. May throw HttpError. */
  onHead(text: string): Framing;
  onBody(piece: Buffer): void;
  onEnd(): void;
}

/** Reads messages one after the other. */
export class MessageReader {
  readonly #scanner: HeadScanner;
  readonly #events: MessageEvents;
  readonly #take: (piece: Buffer) => void;
  #decoder: BodyDecoder | undefined;

  constructor(limits: HeadLimits, events: MessageEvents) {
    this.#scanner = new HeadScanner(limits);
    this.#events = events;
    this.#take = (piece) => events.onBody(piece);
  }

  /** Whether the first byte of a message has come and its last has not. */
  get midMessage(): boolean {
    return this.#decoder !== undefined || (this.#scanner.started && !this.#scanner.complete);
  }

  get inBody(): boolean {
    return this.#decoder !== undefined;
  }

  /**
   * Reads from `offset` up to the end of the head, or of what there is of the body, whichever comes first, so that
   * the caller can stop between the two. Returns the offset behind the last byte read. Throws HttpError, after which
   * the reader must not be used again.
   */
  read(chunk: Buffer, offset: number): number {
    return this.#decoder === undefined
      ? this.#readHead(chunk, offset)
      : this.#readBody(this.#decoder, chunk, offset);
  }

  /** The peer ended its side: true when that completes the message or falls between messages. */
  endOfInput(): boolean {
    if (this.#decoder instanceof UntilCloseDecoder) {
      this.#decoder = undefined;
      this.#events.onEnd();
      return true;
    }
    return !this.midMessage;
  }

  #readHead(chunk: Buffer, offset: number): number {
    const end = this.#scanner.scan(chunk, offset);
    if (!this.#scanner.complete) return end;
    const framing = this.#events.onHead(this.#scanner.text);
    this.#decoder = decoderFor(framing);
    if (this.#decoder === undefined) this.#events.onEnd();
    return end;
  }

  #readBody(decoder: BodyDecoder, chunk: Buffer, offset: number): number {
    const end = decoder.decode(chunk, offset, this.#take);
    if (decoder.done) {
      this.#decoder = undefined;
      this.#events.onEnd();
    }
    return end;
  }
}

function decoderFor(framing: Framing): BodyDecoder | undefined {
  switch (framing.kind) {
    case 'length':
      return framing.bytes === 0 ? undefined : new LengthDecoder(framing.bytes);
    case 'chunked':
      return new ChunkedDecoder();
    case 'until-close':
      return new UntilCloseDecoder();
    default:
      return undefined;
  }
}
