// Joins a stream to a MessageReader with back-pressure: bytes that nobody is ready for are held (at most what one read
// brought) and the stream is paused. Used by both ends of a connection.
import type { Duplex } from 'node:stream';
import { HttpError } from './http-error.ts';
import type { HeadLimits } from './message.ts';
import { type MessageEvents, MessageReader } from './message-reader.ts';

/** What the connection says and is told besides the messages themselves. */
export interface InputOwner extends MessageEvents {
  /** Whether the next byte may be read now. */
  readable(): boolean;
  /** The bytes are no HTTP that we accept; nothing more will be read. */
  onMalformed(error: HttpError): void;
  /** What has come was read as far as it may be: `midMessage` and `holding` say how far that was. */
  onRead(): void;
}

/** The reading half of a connection. */
export class MessageInput {
  readonly #stream: Duplex;
  readonly #owner: InputOwner;
  readonly #reader: MessageReader;
  #held: Buffer | undefined;
  #over = false;
  #isReleased = false;
  #scheduled = false;
  #reading = false;

  constructor(stream: Duplex, limits: HeadLimits, owner: InputOwner) {
    this.#stream = stream;
    this.#owner = owner;
    this.#reader = new MessageReader(limits, owner);
  }

  /** The first byte of a message has come and its last has not. */
  get midMessage(): boolean {
    return this.#reader.midMessage;
  }

  /** Bytes are waiting that nobody was ready for. */
  get holding(): boolean {
    return this.#held !== undefined;
  }

  /** Bytes are being read just now: whoever is called is called from within. */
  get reading(): boolean {
    return this.#reading;
  }

  /** The stream brought bytes. */
  push(chunk: Buffer): void {
    if (this.#over) return;
    if (this.#held === undefined) this.#consume(chunk);
    else this.#held = Buffer.concat([this.#held, chunk]);
  }

  /** The peer ended its side: true when that completes a message or falls between two. */
  endOfInput(): boolean {
    return this.#held === undefined && this.#reader.endOfInput();
  }

  /** Goes on reading if something waits; in a turn of its own, so that nobody is called from inside its own call. */
  readOn(): void {
    if (this.#scheduled || this.#over || (this.#held === undefined && !this.#stream.isPaused())) return;
    this.#scheduled = true;
    process.nextTick(readOnNow, this);
  }

  pause(): void {
    this.#stream.pause();
  }

  /** Reads no more and forgets what is held. */
  stop(): void {
    this.#over = true;
    this.#held = undefined;
  }

  /**
   * Reads no more: another protocol begins with the next byte (RFC 9110 §7.8). To be called from within `onHead`. A peer
   * that went on before it was answered is cut off.
   */
  release(): void {
    this.stop();
    this.#isReleased = true;
  }

  /** For `readOn`. */
  readOnNow(): void {
    this.#scheduled = false;
    if (this.#over || !this.#owner.readable()) return;
    const held = this.#held;
    this.#held = undefined;
    if (held !== undefined) this.#consume(held);
    if (this.#held === undefined && !this.#over && this.#stream.isPaused() && this.#owner.readable())
      this.#stream.resume();
  }

  #consume(chunk: Buffer): void {
    let offset = 0;
    this.#reading = true;
    try {
      while (offset < chunk.length && !this.#over && this.#owner.readable())
        offset = this.#reader.read(chunk, offset);
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      this.stop();
      return this.#owner.onMalformed(error);
    } finally {
      this.#reading = false;
    }
    if (this.#isReleased && offset < chunk.length) this.#stream.destroy();
    if (this.#over) return;
    if (offset < chunk.length) {
      this.#held = offset === 0 ? chunk : chunk.subarray(offset);
      this.#stream.pause();
    }
    this.#owner.onRead();
  }
}

function readOnNow(input: MessageInput): void {
  input.readOnNow();
}
