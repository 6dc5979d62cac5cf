// How many unproven answers one source may draw from us per second (T-007): whoever forges a victim's address gets no
// more than this sent there. Constant memory whatever is forged: two rows of counters under two secret hashes, so
// that one address shares both of its counters with the same other only by chance.

export interface RefusalBudgetOptions {
  readonly perSecond: number;
  /** Two 32-bit seeds nobody outside knows. */
  readonly seeds: readonly [number, number];
}

const COUNTERS = 32_768;
const WINDOW_MS = 1_000;

export class RefusalBudget {
  readonly #options: RefusalBudgetOptions;
  readonly #rows = [new Uint16Array(COUNTERS), new Uint16Array(COUNTERS)] as const;
  #window = -1;

  constructor(options: RefusalBudgetOptions) {
    this.#options = options;
  }

  /** Takes one answer to `address` out of the budget; false when there is none left in this second. */
  take(address: string, now: number): boolean {
    const window = Math.trunc(now / WINDOW_MS);
    if (window !== this.#window) this.#restart(window);
    const key = sourceKey(address);
    const places = this.#options.seeds.map((seed) => hash(key, seed) % COUNTERS);
    const counts = this.#rows.map((row, index) => row[places[index]!]!);
    if (Math.min(...counts) >= this.#options.perSecond) return false;
    this.#rows.forEach((row, index) => (row[places[index]!] = Math.min(0xffff, counts[index]! + 1)));
    return true;
  }

  #restart(window: number): void {
    this.#window = window;
    for (const row of this.#rows) row.fill(0);
  }
}

/** An IPv4 address, or the first 64 bits of an IPv6 address: whoever has one of them has them all. */
export function sourceKey(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  if (tail !== undefined) {
    const after = tail === '' ? [] : tail.split(':');
    while (groups.length + after.length < 8) groups.push('0');
    groups.push(...after);
  }
  return groups.slice(0, 4).join(':');
}

/** FNV-1a with a secret start and a final mix. */
function hash(text: string, seed: number): number {
  let state = (0x811c9dc5 ^ seed) >>> 0;
  for (let index = 0; index < text.length; index++) {
    state = Math.imul(state ^ text.charCodeAt(index), 0x01000193) >>> 0;
  }
  state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) >>> 0;
  return (state ^ (state >>> 13)) >>> 0;
}
