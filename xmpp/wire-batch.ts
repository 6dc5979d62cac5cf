// What is to be written at once: elements as they came in, and text that was printed. Memory: what one read brought.
import type { StreamElement } from './stream-parser.ts';

/** An element for the wire: the bytes it came in where they mean the same elsewhere, else printed anew. */
export function wireOf(event: StreamElement): string | Buffer {
  return event.source ?? event.element.toString();
}

export class WireBatch {
  #parts: Buffer[] = [];

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  add(part: string | Buffer): void {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    const last = this.#parts.at(-1);
    if (
      last === undefined ||
      last.buffer !== bytes.buffer ||
      last.byteOffset + last.length !== bytes.byteOffset
    )
      this.#parts.push(bytes);
    else
      this.#parts[this.#parts.length - 1] = Buffer.from(
        last.buffer,
        last.byteOffset,
        last.length + bytes.length,
      );
  }

  /** Everything so far, in order; the batch is empty then. */
  take(): readonly Buffer[] {
    const parts = this.#parts;
    this.#parts = [];
    return parts;
  }
}
