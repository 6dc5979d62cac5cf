// How fast one connection may send: a bucket of bytes. A client over its rate is not refused, its socket is left unread.

export class ByteRate {
  readonly #perMs: number;
  readonly #burst: number;
  #level: number;
  #at: number;

  constructor(bytesPerSecond: number, burst: number, now: number) {
    this.#perMs = bytesPerSecond / 1000;
    this.#burst = burst;
    this.#level = burst;
    this.#at = now;
  }

  /** Takes `bytes`; returns the milliseconds to wait before reading on, 0 when none. */
  take(bytes: number, now: number): number {
    this.#level = Math.min(this.#burst, this.#level + (now - this.#at) * this.#perMs) - bytes;
    this.#at = now;
    return this.#level >= 0 ? 0 : -this.#level / this.#perMs;
  }
}
