// The channels to every connected core, and which core a client's requests go to: always the same one while it is
// there (rendezvous hashing of the client's address), so that what it keeps about a session is at hand.
import { ClientPool, type ClientLimits, type Deadlines, HttpError } from '../../http/index.ts';
import type { ChannelLimits, CoreLink } from './door-options.ts';

export interface CorePoolsOptions {
  readonly cores: () => readonly CoreLink[];
  readonly core: ClientLimits;
  readonly channels: ChannelLimits;
  readonly deadlines: Deadlines;
}

/** One pool per core link; a link that is gone takes its pool with it at the next sweep. */
export class CorePools {
  readonly #options: CorePoolsOptions;
  readonly #pools = new Map<CoreLink, ClientPool>();

  constructor(options: CorePoolsOptions) {
    this.#options = options;
    options.deadlines.add(this);
  }

  /** The cores to try for a client, best first; those whose channels are all busy come last. */
  candidates(clientKey: string): CoreLink[] {
    const cores = this.#options.cores();
    if (cores.length < 2) return [...cores];
    const ranked = cores.map((core) => ({
      core,
      rank: rank(core, clientKey),
      full: this.#pools.get(core)?.full === true,
    }));
    ranked.sort((a, b) => Number(a.full) - Number(b.full) || b.rank - a.rank);
    return ranked.map(({ core }) => core);
  }

  pool(core: CoreLink): ClientPool {
    let pool = this.#pools.get(core);
    if (pool === undefined) {
      const { core: limits, channels, deadlines } = this.#options;
      pool = new ClientPool({
        open: () => core.openHttp(),
        limits,
        deadlines,
        maxConnections: channels.maxChannels,
        maxWaiting: channels.maxWaiting,
        waitMs: channels.waitMs,
        idleMs: channels.idleMs,
      });
      this.#pools.set(core, pool);
    }
    return pool;
  }

  /** For Deadlines: forgets the pools of links that are gone. */
  expire(): void {
    if (this.#pools.size === 0) return;
    const present = new Set(this.#options.cores());
    for (const [core, pool] of this.#pools) {
      if (present.has(core)) continue;
      this.#pools.delete(core);
      pool.close(new HttpError(502, 'no-next-hop', 'link to core closed'));
    }
  }

  /** Channels per core, for status pages. */
  stats(): { core: string; channels: number; idle: number; waiting: number }[] {
    return [...this.#pools].map(([core, pool]) => ({
      core: core.identity.name,
      channels: pool.size,
      idle: pool.idle,
      waiting: pool.waiting,
    }));
  }

  close(reason: HttpError): void {
    this.#options.deadlines.delete(this);
    for (const pool of this.#pools.values()) pool.close(reason);
    this.#pools.clear();
  }
}

/** FNV-1a over both names: spreads well enough over six cores, and is the same in every edge. */
function rank(core: CoreLink, clientKey: string): number {
  let hash = 0x811c9dc5;
  const text = `${clientKey}\n${core.identity.name}`;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return (hash ^ (hash >>> 16)) >>> 0;
}
