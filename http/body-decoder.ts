// Cuts a message body out of the byte stream (RFC 9112 §6, §7): by length, by chunks, or until the connection ends.
// Pieces handed on are views of the input, never copies. Chunk sizes, extensions and trailers are read strictly and
// dropped: what is sent on is framed anew.
import { TOKEN } from './characters.ts';
import { HEX_VALUE } from './characters.ts';
import { HttpError } from './http-error.ts';

/** Takes body bytes; the buffer is a view that stays valid. */
export type BodyTaker = (piece: Buffer) => void;

/** Decodes one body; `done` becomes true behind its last byte. */
export interface BodyDecoder {
  readonly done: boolean;
  /** Reads from `offset`, hands body bytes to `take`, returns the offset behind the last byte read. Throws HttpError. */
  decode(chunk: Buffer, offset: number, take: BodyTaker): number;
}

/** A body of exactly `bytes` bytes. */
export class LengthDecoder implements BodyDecoder {
  #remaining: number;

  constructor(bytes: number) {
    this.#remaining = bytes;
  }

  get done(): boolean {
    return this.#remaining === 0;
  }

  decode(chunk: Buffer, offset: number, take: BodyTaker): number {
    const end = Math.min(chunk.length, offset + this.#remaining);
    this.#remaining -= end - offset;
    if (end > offset) take(offset === 0 && end === chunk.length ? chunk : chunk.subarray(offset, end));
    return end;
  }
}

/** A body that ends with the connection; the reader is told of that end, not this decoder. */
export class UntilCloseDecoder implements BodyDecoder {
  readonly done = false;

  decode(chunk: Buffer, offset: number, take: BodyTaker): number {
    take(offset === 0 ? chunk : chunk.subarray(offset));
    return chunk.length;
  }
}

const CR = 13;
const LF = 10;
const TAB = 9;
const SPACE = 32;
const SEMICOLON = 0x3b;
const EQUALS = 0x3d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
/** Twelve hexadecimal digits: 2^48 bytes in one chunk, far below where numbers stop being exact. */
const MAX_SIZE_DIGITS = 12;
/** Extensions carry nothing anybody needs; a sender that spends more than this on them is attacking. */
const MAX_EXTENSION_BYTES_PER_BODY = 16_384;
const MAX_TRAILER_BYTES = 8192;

type ChunkState =
  | 'size'
  | 'extension-name'
  | 'extension-value'
  | 'quoted'
  | 'quoted-pair'
  | 'after-quoted'
  | 'size-lf'
  | 'data'
  | 'data-cr'
  | 'data-lf'
  | 'trailer-start'
  | 'trailer-name'
  | 'trailer-value'
  | 'trailer-lf'
  | 'end-lf'
  | 'done';

/** A body in chunks (RFC 9112 §7.1): `size [;ext] CRLF data CRLF … 0 CRLF trailers CRLF`. */
export class ChunkedDecoder implements BodyDecoder {
  #state: ChunkState = 'size';
  #digits = 0;
  /** Bytes of the current chunk still to come; while in `size`, what the digits so far say. */
  #remaining = 0;
  #extensionBytes = 0;
  #trailerBytes = 0;

  get done(): boolean {
    return this.#state === 'done';
  }

  decode(chunk: Buffer, offset: number, take: BodyTaker): number {
    let at = offset;
    while (at < chunk.length && this.#state !== 'done') {
      if (this.#state === 'data') at = this.#takeData(chunk, at, take);
      else this.#step(chunk[at++] as number);
    }
    return at;
  }

  #takeData(chunk: Buffer, at: number, take: BodyTaker): number {
    const end = Math.min(chunk.length, at + this.#remaining);
    this.#remaining -= end - at;
    if (this.#remaining === 0) this.#state = 'data-cr';
    take(chunk.subarray(at, end));
    return end;
  }

  #step(byte: number): void {
    switch (this.#state) {
      case 'size':
        return this.#readSize(byte);
      case 'extension-name':
      case 'extension-value':
      case 'quoted':
      case 'quoted-pair':
      case 'after-quoted':
        return this.#readExtension(byte);
      case 'size-lf':
        return this.#expect(byte, LF, this.#remaining === 0 ? 'trailer-start' : 'data');
      case 'data-cr':
        return this.#expect(byte, CR, 'data-lf');
      case 'data-lf':
        this.#digits = 0;
        return this.#expect(byte, LF, 'size');
      default:
        return this.#readTrailer(byte);
    }
  }

  #expect(byte: number, wanted: number, next: ChunkState): void {
    if (byte !== wanted) throw malformed();
    this.#state = next;
  }

  #readSize(byte: number): void {
    const value = HEX_VALUE[byte] ?? 255;
    if (value !== 255) {
      if (++this.#digits > MAX_SIZE_DIGITS) throw malformed();
      this.#remaining = this.#remaining * 16 + value;
      return;
    }
    if (this.#digits === 0) throw malformed();
    if (byte === CR) this.#state = 'size-lf';
    else if (byte === SEMICOLON) this.#state = 'extension-name';
    else throw malformed();
  }

  /** `;name`, `;name=token`, `;name="quoted"`; white space around (RFC 9112 §7.1.1 BWS) is refused. */
  #readExtension(byte: number): void {
    if (++this.#extensionBytes > MAX_EXTENSION_BYTES_PER_BODY)
      throw new HttpError(400, 'chunk', 'too many chunk extensions');
    if (this.#state === 'quoted-pair' || this.#state === 'quoted') return this.#readQuoted(byte);
    if (byte === CR) this.#state = 'size-lf';
    else if (byte === SEMICOLON) this.#state = 'extension-name';
    else if (this.#state === 'after-quoted') throw malformed();
    else if (byte === EQUALS && this.#state === 'extension-name') this.#state = 'extension-value';
    else if (byte === QUOTE && this.#state === 'extension-value') this.#state = 'quoted';
    else if (TOKEN[byte] === 0) throw malformed();
  }

  #readQuoted(byte: number): void {
    if ((byte < SPACE && byte !== TAB) || byte === 127) throw malformed();
    if (this.#state === 'quoted-pair') this.#state = 'quoted';
    else if (byte === BACKSLASH) this.#state = 'quoted-pair';
    else if (byte === QUOTE) this.#state = 'after-quoted';
  }

  /** Trailers must look like fields and are thrown away (RFC 9110 §6.5.1: never merged into the header). */
  #readTrailer(byte: number): void {
    if (++this.#trailerBytes > MAX_TRAILER_BYTES)
      throw new HttpError(431, 'trailer', 'trailer section exceeds the limit');
    switch (this.#state) {
      case 'trailer-start':
        if (byte === CR) this.#state = 'end-lf';
        else if (TOKEN[byte] === 0) throw badTrailer();
        else this.#state = 'trailer-name';
        return;
      case 'trailer-name':
        if (byte === COLON) this.#state = 'trailer-value';
        else if (TOKEN[byte] === 0) throw badTrailer();
        return;
      case 'trailer-value':
        if (byte === CR) this.#state = 'trailer-lf';
        else if ((byte < SPACE && byte !== TAB) || byte === 127) throw badTrailer();
        return;
      case 'trailer-lf':
        return this.#expect(byte, LF, 'trailer-start');
      default:
        return this.#expect(byte, LF, 'done');
    }
  }
}

function malformed(): HttpError {
  return new HttpError(400, 'chunk', 'malformed chunk');
}

function badTrailer(): HttpError {
  return new HttpError(400, 'trailer', 'malformed trailer');
}
