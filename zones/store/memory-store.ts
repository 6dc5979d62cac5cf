// The embedded store: in the memory of this process, with a journal for the spaces that ask for one.
import { type Clock, every } from '../clock.ts';
import type { Count } from '../peer.ts';
import { Journal, type JournalEntry, type JournalOptions } from './journal.ts';
import { MemorySpace } from './memory-space.ts';
import { type SpaceOptions, type Store, StoreError, type StoreSpace } from './store.ts';

export interface MemoryStoreOptions {
  /** Where durable spaces are kept; undefined keeps everything in memory only. */
  readonly journal: Pick<JournalOptions, 'file' | 'flushMs' | 'maxBatch' | 'retryMs'> | undefined;
  /** How often ended entries are removed. */
  readonly sweepMs: number;
  readonly clock: Clock;
  readonly count: Count;
  /** Called with words when the journal breaks, and with an empty string when it works again. */
  readonly onHealth: (words: string) => void;
}

/** Opens the embedded store; what the journal still holds is there when its space is first named. */
export function createMemoryStore(options: MemoryStoreOptions): Store {
  return new MemoryStore(options);
}

class MemoryStore implements Store {
  readonly #options: MemoryStoreOptions;
  readonly #spaces = new Map<string, MemorySpace>();
  readonly #loaded = new Map<string, JournalEntry[]>();
  readonly #loadedAt: number;
  readonly #journal: Journal | undefined;
  readonly #stopSweep: () => void;
  #fence: number;
  #closed = false;

  constructor(options: MemoryStoreOptions) {
    this.#options = options;
    this.#fence = Math.floor(options.clock.wall());
    this.#loadedAt = options.clock.now();
    if (options.journal) {
      const { clock, onHealth } = options;
      this.#journal = new Journal({ ...options.journal, clock, onHealth, snapshot: () => this.#snapshot() });
      for (const entry of this.#journal.load()) this.#keepLoaded(entry);
    }
    this.#stopSweep = every(options.clock, options.sweepMs, () => {
      for (const space of this.#spaces.values()) space.sweep();
    });
  }

  namespace(name: string, options: SpaceOptions): StoreSpace {
    if (this.#closed) throw new StoreError('closed', 'the store is closed');
    const known = this.#spaces.get(name);
    if (known) return known;
    const space: MemorySpace = new MemorySpace(name, options, {
      now: () => this.#options.clock.now(),
      nextFence: () => (this.#fence += 1),
      changed: (key, value, ttlMs) => this.#journal?.write({ space: name, key, value, ttlMs }),
      count: this.#options.count,
    });
    this.#spaces.set(name, space);
    this.#restore(name, space);
    return space;
  }

  health(): string {
    return this.#journal?.health() ?? '';
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopSweep();
    this.#journal?.close();
  }

  #keepLoaded(entry: JournalEntry): void {
    const entries = this.#loaded.get(entry.space) ?? [];
    entries.push(entry);
    this.#loaded.set(entry.space, entries);
  }

  #restore(name: string, space: MemorySpace): void {
    const elapsed = this.#options.clock.now() - this.#loadedAt;
    for (const { key, value, ttlMs } of this.#loaded.get(name) ?? []) {
      if (!space.durable || ttlMs <= elapsed) continue;
      if (!space.restore(key, value, ttlMs - elapsed)) this.#options.count('store-refused', 'restore');
    }
    this.#loaded.delete(name);
  }

  *#snapshot(): Iterable<JournalEntry> {
    for (const [name, space] of this.#spaces) {
      if (!space.durable) continue;
      for (const [key, value, ttlMs] of space.snapshot()) yield { space: name, key, value, ttlMs };
    }
  }
}
