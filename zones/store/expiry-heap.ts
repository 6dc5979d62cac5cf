// Which entry ends next: a binary heap by deadline. Entries that were replaced or removed stay until they surface or
// until they outnumber the living, so that no write has to search.

/** `version` tells a live entry from one that was overwritten since. */
export interface Expiry {
  readonly key: string;
  readonly deadline: number;
  readonly version: number;
}

export class ExpiryHeap {
  #heap: Expiry[] = [];

  get size(): number {
    return this.#heap.length;
  }

  peek(): Expiry | undefined {
    return this.#heap[0];
  }

  add(expiry: Expiry): void {
    this.#heap.push(expiry);
    this.#up(this.#heap.length - 1);
  }

  pop(): Expiry | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first && last && this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#down(0);
    }
    return first;
  }

  /** Keeps only what `isLive` says; linear. */
  keep(isLive: (expiry: Expiry) => boolean): void {
    this.#heap = this.#heap.filter(isLive).sort((a, b) => a.deadline - b.deadline); // sorted is a valid heap
  }

  #up(from: number): void {
    for (let at = from; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#less(at, parent)) return;
      this.#swap(at, parent);
      at = parent;
    }
  }

  #down(from: number): void {
    for (let at = from; ;) {
      const left = 2 * at + 1;
      const least = [left, left + 1].reduce((best, child) => (this.#less(child, best) ? child : best), at);
      if (least === at) return;
      this.#swap(at, least);
      at = least;
    }
  }

  #less(a: number, b: number): boolean {
    return (this.#heap[a]?.deadline ?? Infinity) < (this.#heap[b]?.deadline ?? Infinity);
  }

  #swap(a: number, b: number): void {
    const [first, second] = [this.#heap[a], this.#heap[b]];
    if (first && second) [this.#heap[a], this.#heap[b]] = [second, first];
  }
}
