// Bounds how often the same event is told: once per period and key, for at most `maxKeys` keys at a time.

export class EventRate {
  readonly #periodMs: number;
  readonly #maxKeys: number;
  /** Key → when it was told, oldest first. */
  readonly #told = new Map<string, number>();

  constructor(periodMs: number, maxKeys: number) {
    this.#periodMs = periodMs;
    this.#maxKeys = maxKeys;
  }

  /** May this event be told now? With every place taken by recent keys, a new key has to wait. */
  admit(key: string, now: number): boolean {
    for (const [old, at] of this.#told) {
      if (now - at < this.#periodMs) break;
      this.#told.delete(old);
    }
    if (this.#told.has(key) || this.#told.size >= this.#maxKeys) return false;
    this.#told.set(key, now);
    return true;
  }
}
