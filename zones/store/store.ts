// State that the peers of a cluster share: sessions, token and replay caches, rate counters, bans, registrations,
// call ownership. One interface; the embedded implementation is `memory-store.ts` with an optional journal, a
// clustered one speaks to Valkey or Redis behind the same words. Values are text, owners encode them.

export type StoreErrorCode = 'full' | 'too-large' | 'closed';

/** A refused write: the space is full of live entries, or the value is larger than the space allows. */
export class StoreError extends Error {
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode, message: string) {
    super(message);
    this.name = 'StoreError';
    this.code = code;
  }
}

export interface SpaceOptions {
  /** Live entries at most. */
  readonly maxEntries: number;
  /** Characters at most per key and value together. */
  readonly maxEntryLength: number;
  /** When full: `refuse` rejects the write (registrations, replay caches), `evict` drops the entry next to expire (counters, caches). */
  readonly whenFull: 'refuse' | 'evict';
  /** Kept on disk, so that it outlives the process. */
  readonly durable: boolean;
}

/** What happened to a watched key. `value` is undefined when the entry went away. */
export interface StoreChange {
  readonly key: string;
  readonly value: string | undefined;
  readonly why: 'set' | 'deleted' | 'expired' | 'evicted';
}

/** One namespace of a store. All times are milliseconds from now. */
export interface StoreSpace {
  get(key: string): Promise<string | undefined>;
  /** Rejects with `StoreError`. */
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** Sets only if the key is absent; true if it did. The replay check. */
  add(key: string, value: string, ttlMs: number): Promise<boolean>;
  /** Reads and removes in one step: two callers never both get it. */
  take(key: string): Promise<string | undefined>;
  delete(key: string): Promise<boolean>;
  /** Adds 1 to a counter and returns it; the counter ends `ttlMs` after it began. */
  increment(key: string, ttlMs: number): Promise<number>;
  /** Every live entry whose key begins with `prefix`, as one snapshot. */
  entries(prefix?: string): Promise<[key: string, value: string][]>;
  /** Calls `onChange` for every change under `prefix` until the returned function is called. */
  watch(prefix: string, onChange: (change: StoreChange) => void): () => void;
  /** Takes or prolongs a lease for `owner`; resolves with the owner that holds it now. The fence only ever grows. */
  lease(key: string, owner: string, ttlMs: number): Promise<Lease>;
  size(): number;
}

export interface Lease {
  readonly owner: string;
  /** Grows each time the lease changes hands: a late writer with an older number must be refused (T-148). */
  readonly fence: number;
}

export interface Store {
  /** The space of this name, the same one each time. A name has one set of options for the life of the store. */
  namespace(name: string, options: SpaceOptions): StoreSpace;
  /** How the journal does, in words: empty while all is well. */
  health(): string;
  /** Writes what is pending and ends all timers. */
  close(): Promise<void>;
}
