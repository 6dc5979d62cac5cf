// Replay protection by packet index: RFC 3711 §3.3.2. A ring of bits, cleared word by word as the top advances.
// Bounded: 32 bytes. `check` changes nothing, so that only an authenticated packet is ever recorded.

/** Packets more than this many behind the newest are refused; RFC 3711 asks for at least 64. */
export const REPLAY_WINDOW_PACKETS = 128;

const WORDS = 8; // twice the window, so that clearing whole words never touches live bits
const RING_BITS = WORDS * 32;

export class ReplayWindow {
  #highest: number;
  readonly #bits = new Uint32Array(WORDS);

  /** `highest` is the newest index already used: it and all before it count as seen. -1 for a fresh window. */
  constructor(highest = -1) {
    this.#highest = highest;
    if (highest >= 0) this.#bits.fill(0xffffffff);
    if (highest >= 0) this.#clearAbove(highest);
  }

  /** As it stood elsewhere; bit `n % 32` of word `n / 32` of `seen` says whether the index n below it was used. */
  static restored(highest: number, seen: readonly number[]): ReplayWindow {
    const window = new ReplayWindow();
    window.#highest = highest;
    for (let behind = 0; behind < REPLAY_WINDOW_PACKETS && behind <= highest; behind++) {
      const used = (((seen[behind >> 5] ?? 0) >>> (behind & 31)) & 1) === 1;
      if (used) window.#bits[wordOf(highest - behind)]! |= bitOf(highest - behind);
    }
    return window;
  }

  get highest(): number {
    return this.#highest;
  }

  /** What `restored` takes. */
  seen(): number[] {
    const words = Array.from({ length: REPLAY_WINDOW_PACKETS / 32 }, () => 0);
    for (let behind = 0; behind < REPLAY_WINDOW_PACKETS && behind <= this.#highest; behind++) {
      const index = this.#highest - behind;
      const used = (this.#bits[wordOf(index)]! & bitOf(index)) !== 0;
      if (used) words[behind >> 5] = (words[behind >> 5]! | (1 << (behind & 31))) >>> 0;
    }
    return words;
  }

  /** Is this index new? `old` means behind the window, where nobody can tell. */
  check(index: number): 'new' | 'seen' | 'old' {
    if (index > this.#highest) return 'new';
    if (index <= this.#highest - REPLAY_WINDOW_PACKETS) return 'old';
    return (this.#bits[wordOf(index)]! & bitOf(index)) === 0 ? 'new' : 'seen';
  }

  /** Records an index that `check` called new. Returns whether it is the newest so far. */
  record(index: number): boolean {
    const newest = index > this.#highest;
    if (newest) this.#advance(index);
    this.#bits[wordOf(index)]! |= bitOf(index);
    return newest;
  }

  #advance(index: number): void {
    const from = Math.floor(this.#highest / 32);
    const steps = Math.min(Math.floor(index / 32) - from, WORDS);
    for (let step = 1; step <= steps; step++) this.#bits[(((from + step) % WORDS) + WORDS) % WORDS] = 0;
    this.#highest = index;
  }

  /** After a restore only the bits up to `highest` may be set in its own word. */
  #clearAbove(highest: number): void {
    const used = (highest % 32) + 1;
    this.#bits[wordOf(highest)] = used === 32 ? 0xffffffff : (2 ** used - 1) >>> 0;
  }
}

function wordOf(index: number): number {
  return Math.floor((index % RING_BITS) / 32);
}

function bitOf(index: number): number {
  return (1 << (index % 32)) >>> 0;
}
