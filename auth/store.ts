// The state this room shares with the other cores of a cluster, as small as its need: revocations and rate counters.
// Whatever implements it may lose entries (a restart) but must never hand one user's entry to another key.

/** A missing or expired key reads as undefined. Rejections are faults of the store, never of the client. */
export interface Store {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** Adds one and returns the new count; a key that did not exist starts at 1 and lives `ttlMs` from then. */
  increment(key: string, ttlMs: number): Promise<number>;
}
