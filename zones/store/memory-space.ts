// One namespace held in the memory of this process. Bounded by its options; entries end by the monotonic clock.
import { ExpiryHeap } from './expiry-heap.ts';
import { type Lease, type SpaceOptions, type StoreChange, StoreError, type StoreSpace } from './store.ts';

/** What the store below a space does for it. */
export interface SpaceHost {
  now(): number;
  /** A number larger than any given before, in this process and in those before it. */
  nextFence(): number;
  /** A durable entry was set (`value` and what is left of its life) or went away (undefined). */
  changed(key: string, value: string | undefined, ttlMs: number): void;
  count(event: string, reason: string): void;
}

interface Entry {
  readonly value: string;
  readonly deadline: number;
  readonly version: number;
}

const LEASE = /^(\d+) (.*)$/s;

export class MemorySpace implements StoreSpace {
  readonly #name: string;
  readonly #options: SpaceOptions;
  readonly #host: SpaceHost;
  readonly #entries = new Map<string, Entry>();
  readonly #heap = new ExpiryHeap();
  readonly #watchers = new Set<{ prefix: string; onChange: (change: StoreChange) => void }>();
  #version = 0;

  constructor(name: string, options: SpaceOptions, host: SpaceHost) {
    this.#name = name;
    this.#options = options;
    this.#host = host;
  }

  async get(key: string): Promise<string | undefined> {
    return this.#live(key)?.value;
  }

  async set(key: string, value: string, ttlMs: number): Promise<void> {
    this.#put(key, value, this.#host.now() + ttlMs);
  }

  async add(key: string, value: string, ttlMs: number): Promise<boolean> {
    if (this.#live(key)) return false;
    this.#put(key, value, this.#host.now() + ttlMs);
    return true;
  }

  async take(key: string): Promise<string | undefined> {
    const value = this.#live(key)?.value;
    if (value !== undefined) this.#remove(key, 'deleted');
    return value;
  }

  async delete(key: string): Promise<boolean> {
    return (await this.take(key)) !== undefined;
  }

  async increment(key: string, ttlMs: number): Promise<number> {
    const held = this.#live(key);
    const value = (held ? Number(held.value) || 0 : 0) + 1;
    this.#put(key, String(value), held?.deadline ?? this.#host.now() + ttlMs);
    return value;
  }

  async entries(prefix = ''): Promise<[key: string, value: string][]> {
    const now = this.#host.now();
    return [...this.#entries]
      .filter(([key, entry]) => key.startsWith(prefix) && entry.deadline > now)
      .map(([key, entry]) => [key, entry.value]);
  }

  watch(prefix: string, onChange: (change: StoreChange) => void): () => void {
    const watcher = { prefix, onChange };
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  async lease(key: string, owner: string, ttlMs: number): Promise<Lease> {
    const held = LEASE.exec(this.#live(key)?.value ?? '');
    if (held?.[2] !== undefined && held[2] !== owner) return { owner: held[2], fence: Number(held[1]) };
    const fence = held ? Number(held[1]) : this.#host.nextFence();
    this.#put(key, `${fence} ${owner}`, this.#host.now() + ttlMs);
    return { owner, fence };
  }

  size(): number {
    return this.#entries.size;
  }

  /** Puts back an entry from the journal; false if there is no room. */
  restore(key: string, value: string, ttlMs: number): boolean {
    if (this.#entries.has(key) || this.#entries.size >= this.#options.maxEntries) return false;
    this.#store(key, value, this.#host.now() + ttlMs);
    return true;
  }

  /** Everything alive with what is left of its life, for a journal that starts anew. */
  *snapshot(): Iterable<[key: string, value: string, ttlMs: number]> {
    const now = this.#host.now();
    for (const [key, entry] of this.#entries)
      if (entry.deadline > now) yield [key, entry.value, entry.deadline - now];
  }

  /** Removes what has ended. */
  sweep(): void {
    const now = this.#host.now();
    for (let next = this.#heap.peek(); next && next.deadline <= now; next = this.#heap.peek()) {
      this.#heap.pop();
      if (this.#entries.get(next.key)?.version === next.version) this.#remove(next.key, 'expired');
    }
  }

  get durable(): boolean {
    return this.#options.durable;
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (!entry || entry.deadline > this.#host.now()) return entry;
    this.#remove(key, 'expired');
    return undefined;
  }

  #put(key: string, value: string, deadline: number): void {
    if (key.length + value.length > this.#options.maxEntryLength) {
      this.#host.count('store-refused', 'too-large');
      throw new StoreError(
        'too-large',
        `an entry of ${this.#name} exceeds ${this.#options.maxEntryLength} characters`,
      );
    }
    if (!this.#entries.has(key)) this.#makeRoom();
    this.#store(key, value, deadline);
    this.#tell({ key, value, why: 'set' }, deadline);
  }

  #store(key: string, value: string, deadline: number): void {
    const version = (this.#version += 1);
    this.#entries.set(key, { value, deadline, version });
    this.#heap.add({ key, deadline, version });
    if (this.#heap.size > 2 * this.#entries.size + 64)
      this.#heap.keep((expiry) => this.#entries.get(expiry.key)?.version === expiry.version);
  }

  #makeRoom(): void {
    if (this.#entries.size < this.#options.maxEntries) return;
    this.sweep();
    if (this.#entries.size < this.#options.maxEntries) return;
    if (this.#options.whenFull === 'refuse') {
      this.#host.count('store-refused', 'full');
      throw new StoreError('full', `${this.#name} holds ${this.#options.maxEntries} entries, its limit`);
    }
    this.#host.count('store-evicted', 'full');
    this.#evictNext();
  }

  #evictNext(): void {
    for (let next = this.#heap.pop(); next; next = this.#heap.pop()) {
      if (this.#entries.get(next.key)?.version !== next.version) continue;
      this.#remove(next.key, 'evicted');
      return;
    }
  }

  #remove(key: string, why: 'deleted' | 'expired' | 'evicted'): void {
    this.#entries.delete(key);
    this.#tell({ key, value: undefined, why }, 0);
  }

  #tell(change: StoreChange, deadline: number): void {
    if (this.#options.durable) this.#host.changed(change.key, change.value, deadline - this.#host.now());
    for (const watcher of this.#watchers) if (change.key.startsWith(watcher.prefix)) watcher.onChange(change);
  }
}
