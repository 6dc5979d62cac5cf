// TURN on a stream (RFC 8489 §6.2.2, RFC 8656 §12.5): bytes → whole STUN messages and ChannelData messages. Holds at
// most one unfinished message; what is neither, or longer than allowed, ends the stream.
import { CHANNEL_DATA_HEADER_BYTES, looksLikeChannelData } from '../channel-data.ts';
import { HEADER_BYTES, MAGIC_COOKIE } from '../stun.ts';

export type TurnFrame = { readonly kind: 'stun' | 'channel-data'; readonly bytes: Buffer };
export type FrameErrorReason = 'not-turn' | 'too-long';

export class FrameError extends Error {
  readonly reason: FrameErrorReason;
  constructor(reason: FrameErrorReason) {
    super(`TURN stream: ${reason}`);
    this.name = 'FrameError';
    this.reason = reason;
  }
}

/** Bytes by which the kind and length of a message are known. */
const PREFIX_BYTES = 4;

export class TurnFramer {
  /** Longest message; the door lowers it for streams that have no allocation yet. */
  maxFrameBytes: number;
  /** Less than a prefix. */
  #rest: Buffer = Buffer.alloc(0);
  /** A message that has begun, at its full length, so that bytes which come one by one are copied once each. */
  #partial: Buffer | undefined;
  #filled = 0;
  /** What follows the message that was yielded last. */
  #unread: Buffer = Buffer.alloc(0);

  constructor(maxFrameBytes: number) {
    this.maxFrameBytes = maxFrameBytes;
  }

  /** Bytes held of an unfinished message. */
  get held(): number {
    return this.#rest.length + (this.#partial?.length ?? 0);
  }

  /** Bytes behind the message that is being handled, which then is the last: the stream is no TURN any more. */
  takeUnread(): Buffer {
    const unread = this.#unread;
    this.#unread = Buffer.alloc(0);
    return unread;
  }

  /**
   * Takes a chunk; yields each message it completes, without padding.
   * @throws FrameError; the stream is useless from then on.
   */
  *push(chunk: Buffer): Generator<TurnFrame> {
    let bytes: Buffer = Buffer.concat([this.#rest, chunk]);
    this.#rest = Buffer.alloc(0);
    if (this.#partial !== undefined) {
      const taken = bytes.copy(this.#partial, this.#filled);
      this.#filled += taken;
      if (this.#filled < this.#partial.length) return;
      const whole = this.#partial;
      this.#partial = undefined;
      this.#unread = bytes.subarray(taken);
      yield this.#frame(whole);
      bytes = this.takeUnread();
    }
    for (;;) {
      const padded = bytes.length < PREFIX_BYTES ? Infinity : this.#measure(bytes).padded;
      if (bytes.length < padded) {
        this.#keep(bytes, padded);
        return;
      }
      this.#unread = bytes.subarray(padded);
      yield this.#frame(bytes);
      bytes = this.takeUnread();
    }
  }

  #frame(bytes: Buffer): TurnFrame {
    const { kind, length } = this.#measure(bytes);
    return { kind, bytes: bytes.subarray(0, length) };
  }

  #keep(bytes: Buffer, padded: number): void {
    if (bytes.length < PREFIX_BYTES) {
      this.#rest = Buffer.from(bytes);
      return;
    }
    this.#partial = Buffer.alloc(padded);
    this.#filled = bytes.copy(this.#partial);
  }

  #measure(bytes: Buffer): { kind: TurnFrame['kind']; length: number; padded: number } {
    const size = bytes.readUInt16BE(2);
    if (looksLikeChannelData(bytes)) {
      return this.#bounded('channel-data', CHANNEL_DATA_HEADER_BYTES + size);
    }
    const isCookieWrong = bytes.length >= 8 && bytes.readUInt32BE(4) !== MAGIC_COOKIE;
    if (bytes[0]! >= 0x40 || size % 4 !== 0 || isCookieWrong) throw new FrameError('not-turn');
    return this.#bounded('stun', HEADER_BYTES + size);
  }

  #bounded(
    kind: TurnFrame['kind'],
    length: number,
  ): { kind: TurnFrame['kind']; length: number; padded: number } {
    if (length > this.maxFrameBytes) throw new FrameError('too-long');
    return { kind, length, padded: length + (-length & 3) };
  }
}
