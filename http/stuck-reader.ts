// Finds a peer that does not read what we write, from outside: by looking at each sweep whether anything moved, so
// that writing itself pays nothing.
import type { Duplex } from 'node:stream';

/** Watches one stream's unsent bytes. */
export class StuckReader {
  readonly #stream: Duplex;
  readonly #limitMs: number;
  #unreadBytes = 0;
  #writtenBytes = 0;
  #sinceMs = 0;

  constructor(stream: Duplex, limitMs: number) {
    this.#stream = stream;
    this.#limitMs = limitMs;
  }

  /** True when bytes have been waiting for `limitMs` and none moved. `writtenBytes`: any number that grows with writing. */
  check(nowMs: number, writtenBytes: number): boolean {
    const unreadBytes = this.#stream.writableLength;
    if (unreadBytes === 0 || unreadBytes !== this.#unreadBytes || writtenBytes !== this.#writtenBytes) {
      this.#unreadBytes = unreadBytes;
      this.#writtenBytes = writtenBytes;
      this.#sinceMs = nowMs;
    }
    return nowMs - this.#sinceMs >= this.#limitMs;
  }
}
