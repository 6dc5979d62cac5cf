// Finds the end of a message head (RFC 9112 §2.1) in bytes that arrive in any pieces, and refuses on the way
// what no strict sender produces: bare CR or LF, control characters, folded lines (§5.2), heads that are too big.
// A head that lies whole in one piece is not copied; pieces are gathered in one buffer that doubles up to the limit.
// Every byte is looked at once and copied at most twice.
import { HttpError } from './http-error.ts';
import type { HeadLimits } from './message.ts';

const CR = 13;
const LF = 10;
const TAB = 9;
const SPACE = 32;
const DELETE = 127;
const FIRST_BUFFER_BYTES = 1024;

/** Scans one head after the other; `text` holds the head once `scan` has found its end. */
export class HeadScanner {
  /** The head without its last empty line, decoded as Latin-1; set when `scan` returns with `complete`. */
  text = '';
  complete = false;
  readonly #limits: HeadLimits;
  #gathered: Buffer | undefined;
  #gatheredBytes = 0;
  /** Bytes of this head seen, the previous byte, and where the current line began. */
  #position = 0;
  #previous = 0;
  #lineStart = 0;
  #lines = 0;

  constructor(limits: HeadLimits) {
    this.#limits = limits;
  }

  /** Whether a head has begun to arrive. */
  get started(): boolean {
    return this.#position > 0;
  }

  /** Reads from `offset`; returns the offset behind the last byte taken. Throws HttpError. */
  scan(chunk: Buffer, offset: number): number {
    if (this.complete) this.#restart();
    const end = this.#findEnd(chunk, offset);
    if (end < 0) {
      this.#gather(chunk, offset, chunk.length);
      return chunk.length;
    }
    this.complete = true;
    this.text = this.#decode(chunk, offset, end);
    return end;
  }

  /** The offset behind the empty line, or -1 when the chunk ends before it. */
  #findEnd(chunk: Buffer, offset: number): number {
    const limit = offset + this.#limits.maxHeadBytes - this.#position;
    const stop = Math.min(chunk.length, limit);
    const base = this.#position - offset;
    let previous = this.#previous;
    for (let i = offset; i < stop; i++) {
      const byte = chunk[i] as number;
      if (byte > SPACE && byte !== DELETE && previous !== CR) {
        previous = byte;
        continue;
      }
      this.#checkSpecial(byte, previous, base + i);
      if (byte === LF && this.#endLine(base + i)) return i + 1;
      previous = byte;
    }
    if (stop < chunk.length) throw this.#tooLarge();
    this.#previous = previous;
    this.#position = base + stop;
    return -1;
  }

  #checkSpecial(byte: number, previous: number, position: number): void {
    if (previous === CR || byte === LF) {
      if (previous !== CR || byte !== LF) throw new HttpError(400, 'bare-cr-or-lf', 'line not ended by CRLF');
      return;
    }
    if (byte === CR) return;
    if ((byte < SPACE && byte !== TAB) || byte === DELETE)
      throw new HttpError(400, 'control-character', 'control character in head');
    if (position === this.#lineStart && (byte === SPACE || byte === TAB))
      throw new HttpError(400, 'folded-header', 'line begins with white space');
  }

  /** Takes note of a line's end; true when it was the empty line. One empty line before the start line is ignored (RFC 9112 §2.2). */
  #endLine(position: number): boolean {
    const empty = position - this.#lineStart === 1;
    this.#lineStart = position + 1;
    if (!empty) this.#lines++;
    if (!empty || position === 1) return false;
    if (this.#lines === 0) throw new HttpError(400, 'syntax', 'no start line');
    return true;
  }

  #tooLarge(): HttpError {
    return this.#lines === 0
      ? new HttpError(414, 'target-too-long', 'start line exceeds the limit')
      : new HttpError(431, 'head-too-large', 'head exceeds the limit');
  }

  #decode(chunk: Buffer, offset: number, end: number): string {
    if (this.#gathered === undefined) return trimHead(chunk.toString('latin1', offset, end));
    this.#gather(chunk, offset, end);
    return trimHead(this.#gathered.toString('latin1', 0, this.#gatheredBytes));
  }

  #gather(chunk: Buffer, offset: number, end: number): void {
    const needed = this.#gatheredBytes + end - offset;
    if (this.#gathered === undefined || this.#gathered.length < needed) {
      const grown = Buffer.allocUnsafe(
        Math.max(FIRST_BUFFER_BYTES, needed, (this.#gathered?.length ?? 0) * 2),
      );
      this.#gathered?.copy(grown, 0, 0, this.#gatheredBytes);
      this.#gathered = grown;
    }
    chunk.copy(this.#gathered, this.#gatheredBytes, offset, end);
    this.#gatheredBytes = needed;
  }

  #restart(): void {
    this.complete = false;
    this.text = '';
    this.#gathered = undefined;
    this.#gatheredBytes = 0;
    this.#position = 0;
    this.#previous = 0;
    this.#lineStart = 0;
    this.#lines = 0;
  }
}

/** Cuts the ignored empty line before and the ending one behind; what remains ends with the last field's CRLF. */
function trimHead(text: string): string {
  return text.slice(text.charCodeAt(0) === CR ? 2 : 0, -2);
}
