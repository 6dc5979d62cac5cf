// The token keys of every cluster. A token that names an unknown key makes the ring ask for keys again, but seldom: a
// stranger can invent key ids, and must not make core ask for each. A key that a cluster no longer names is honoured
// for an overlap, since tokens signed with it are still under way; then it is gone. When keys cannot be fetched the
// last ones stay, and what they do not open stays closed.
import { clusterIdOf, readKeyDocument, type TokenKey } from './key-document.ts';

/** Where the keys of one cluster come from. Rejects with words for the operator. */
export type FetchKeys = () => Promise<string>;

export interface KeyedCluster {
  /** Configured name. */
  readonly cluster: string;
  readonly deployment: string;
  readonly fetch: FetchKeys;
}

export interface KeyRingOptions {
  readonly clusters: readonly KeyedCluster[];
  /** How long a key that its cluster no longer names is still good. */
  readonly overlapMs: number;
  /** Least time between two fetches from one cluster. */
  readonly refetchMs: number;
  /** Wall clock. */
  readonly now: () => number;
  readonly log: {
    info(fields: object, text: string): void;
    warn(fields: object, text: string): void;
  };
  readonly count: (event: string, reason?: string) => void;
}

export interface RingKey extends TokenKey {
  readonly clusterId: string;
  readonly cluster: string;
  readonly deployment: string;
}

export interface KeyRing {
  /** A key that is good now. */
  find(use: 'sig' | 'enc', kid: string): RingKey | undefined;
  /** Fetches where that is allowed now; resolves when every fetch under way has ended, true if keys have changed. */
  refresh(): Promise<boolean>;
  /** Changes with every change of keys. */
  readonly version: number;
  status(): readonly {
    readonly cluster: string;
    readonly keys: readonly string[];
    readonly problem: string;
  }[];
}

interface Entry {
  readonly key: RingKey;
  /** Undefined while the cluster names it. */
  retiredAt: number | undefined;
}

interface ClusterState {
  readonly of: KeyedCluster;
  nextAt: number;
  underWay: Promise<boolean> | undefined;
  problem: string;
}

/** How much sooner a fetch that failed may be tried again. */
const retryFactor = 6;

export function createKeyRing(options: KeyRingOptions): KeyRing {
  return new Ring(options);
}

class Ring implements KeyRing {
  version = 0;
  readonly #options: KeyRingOptions;
  readonly #keys = new Map<string, Entry>();
  readonly #clusters: ClusterState[];

  constructor(options: KeyRingOptions) {
    this.#options = options;
    this.#clusters = options.clusters.map((of) => ({
      of,
      nextAt: Number.NEGATIVE_INFINITY,
      underWay: undefined,
      problem: 'not fetched yet',
    }));
  }

  find(use: 'sig' | 'enc', kid: string): RingKey | undefined {
    const entry = this.#keys.get(`${use} ${kid}`);
    if (entry === undefined) return undefined;
    if (entry.retiredAt === undefined || this.#options.now() < entry.retiredAt + this.#options.overlapMs)
      return entry.key;
    this.#keys.delete(`${use} ${kid}`);
    this.version += 1;
    return undefined;
  }

  async refresh(): Promise<boolean> {
    const before = this.version;
    await Promise.all(this.#clusters.map((state) => this.#refreshOne(state)));
    return this.version !== before;
  }

  status(): ReturnType<KeyRing['status']> {
    return this.#clusters.map(({ of: { cluster }, problem }) => ({
      cluster,
      keys: [...this.#keys.values()].filter(({ key }) => key.cluster === cluster).map(({ key }) => key.kid),
      problem,
    }));
  }

  #refreshOne(state: ClusterState): Promise<boolean> {
    if (state.underWay !== undefined) return state.underWay;
    const now = this.#options.now();
    if (now < state.nextAt) return Promise.resolve(false);
    state.nextAt = now + this.#options.refetchMs;
    state.underWay = this.#fetch(state).finally(() => (state.underWay = undefined));
    return state.underWay;
  }

  async #fetch(state: ClusterState): Promise<boolean> {
    const { cluster } = state.of;
    try {
      this.#take(state.of, readKeyDocument(await state.of.fetch()));
      if (state.problem !== '')
        this.#options.log.info(
          { event: 'Token Keys Fetched', cluster },
          'token keys of the cluster are here',
        );
      state.problem = '';
      return true;
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error);
      this.#options.count('token-keys-failed');
      // A cluster that was down is asked again sooner than one that has answered.
      state.nextAt -= this.#options.refetchMs * (1 - 1 / retryFactor);
      if (state.problem !== cause)
        this.#options.log.warn(
          { event: 'Token Keys Failed', cluster, cause },
          'token keys cannot be fetched; tokens signed with new keys are refused until they can',
        );
      state.problem = cause;
      return false;
    }
  }

  /** Replaces the keys of one cluster. A key id that another cluster has is not believed: it would move its users. */
  #take({ cluster, deployment }: KeyedCluster, keys: readonly TokenKey[]): void {
    const clusterId = clusterIdOf(keys[0]?.kid ?? '') ?? '';
    const foreign = [...this.#keys.values()].find(
      ({ key }) => key.clusterId === clusterId && key.cluster !== cluster,
    );
    if (foreign !== undefined) throw new Error(`its cluster id is that of ${foreign.key.cluster}`);
    const named = new Set(keys.map(({ use, kid }) => `${use} ${kid}`));
    const now = this.#options.now();
    for (const [id, entry] of this.#keys) {
      if (entry.key.cluster !== cluster || named.has(id)) continue;
      entry.retiredAt ??= now;
      if (now >= entry.retiredAt + this.#options.overlapMs) this.#keys.delete(id);
    }
    for (const key of keys) {
      const known = this.#keys.get(`${key.use} ${key.kid}`);
      if (known !== undefined && known.retiredAt === undefined && known.key.key.equals(key.key)) continue;
      this.#keys.set(`${key.use} ${key.kid}`, {
        key: { ...key, clusterId, cluster, deployment },
        retiredAt: undefined,
      });
      this.version += 1;
    }
  }
}
