// Intrusion protection: who has failed too often in a category is shut out for a while. Keyed by what is known of the
// offender, the narrowest first: a user at an address, then a device, an address only for what has neither, so that one
// bad device does not shut out an office behind its NAT. Never an exempt network: the own pair and inside nodes are
// always among them. The list is this process's own copy, so that a question costs no waiting; watchers carry its changes
// to the store, to the peers and to a packet filter. Bounded in bans and history; a ban goes before its time only when
// the list is full.
import { BlockList } from 'node:net';
import { type BanCounters, createLocalCounters } from './ban-counters.ts';
import { addressFamily, offenderId, plainAddress } from './offender.ts';
import type { Offender } from './offender.ts';

/** What one category of failure leads to. */
export interface BanRule {
  /** Failures within the window that shut out. */
  readonly triggerLevel: number;
  readonly windowMs: number;
  readonly blockMs: number;
}

/** A network that is never shut out, from one category or from all. */
export interface Exemption {
  /** `192.0.2.0/24`, `2001:db8::/32` or an address. */
  readonly network: string;
  readonly categories: readonly string[] | 'all';
}

export interface BanListOptions {
  /** Category → rule; a category that is not here is switched off. */
  readonly categories: ReadonlyMap<string, BanRule>;
  readonly exempt: readonly Exemption[];
  readonly maxBans: number;
  readonly maxCounters: number;
  readonly maxHistory: number;
  /** Where failures are counted; left out: in this process. */
  readonly counters?: BanCounters;
  /** Wall clock. */
  readonly now: () => number;
  readonly count: (event: string, reason?: string) => void;
  /** A ban was decided here. */
  readonly onBan: (ban: Ban) => void;
}

export interface Ban {
  readonly id: string;
  readonly offender: Offender;
  readonly category: string;
  readonly since: number;
  readonly until: number;
  readonly failures: number;
  /** The edge that decided and reported it; undefined when it was decided here. */
  readonly source?: string;
}

export interface BanHistory {
  readonly ban: Ban;
  readonly endedAt: number;
  readonly by: 'time' | 'operator' | 'space';
}

/** From where a ban came into this list: decided in this process, told by a peer, or read from the store. */
export type BanOrigin = 'here' | 'peer' | 'store';

/** Hears of each change of the list, after it was made. */
export interface BanWatcher {
  added(ban: Ban, origin: BanOrigin): void;
  ended(ban: Ban, by: BanHistory['by']): void;
}

export interface BanStats {
  readonly category: string;
  readonly state: 'on';
  readonly blocked: number;
  readonly failures: number;
  readonly blocks: number;
}

export interface BanList {
  /** Counts a failure, which may lead to a ban. */
  note(category: string, offender: Offender): void;
  /** Forgets what was counted against the offender; a ban stays. */
  forgive(category: string, offender: Offender): void;
  /** The ban on exactly this offender. */
  find(offender: Offender): Ban | undefined;
  /** Takes over a ban decided elsewhere; false when it is exempt, past its end or known. */
  adopt(ban: Ban, origin: BanOrigin): boolean;
  unblock(id: string): boolean;
  /** The ban of this id. */
  get(id: string): Ban | undefined;
  list(): readonly Ban[];
  /** Calls the watcher for every change until the returned function is called. */
  watch(watcher: BanWatcher): () => void;
  history(): readonly BanHistory[];
  stats(): readonly BanStats[];
  /** For the operator: what is on, who is out, and the last to have been. */
  status(): object;
}

/** Entries of each list in the status. */
const maxShown = 100;

export function createBanList(options: BanListOptions): BanList {
  return new Bans(options);
}

class Bans implements BanList {
  readonly #options: BanListOptions;
  readonly #bans = new Map<string, Ban>();
  readonly #counters: BanCounters;
  readonly #watchers = new Set<BanWatcher>();
  readonly #history: BanHistory[] = [];
  readonly #totals = new Map<string, { failures: number; blocks: number }>();
  readonly #exempt: readonly { readonly networks: BlockList; readonly categories: Exemption['categories'] }[];

  constructor(options: BanListOptions) {
    this.#options = options;
    this.#counters = options.counters ?? createLocalCounters(options);
    this.#exempt = options.exempt.map(({ network, categories }) => ({
      networks: networkOf(network),
      categories,
    }));
  }

  note(category: string, offender: Offender): void {
    const rule = this.#options.categories.get(category);
    if (rule === undefined || this.#isExempt(category, offender)) return;
    this.#total(category).failures += 1;
    const key = `${category} ${offenderId(offender)}`;
    const failures = this.#counters.add(key, rule.windowMs);
    if (typeof failures === 'number') this.#judge(category, rule, offender, failures);
    else void failures.then((counted) => this.#judge(category, rule, offender, counted));
  }

  forgive(category: string, offender: Offender): void {
    if (this.#options.categories.has(category)) this.#counters.forget(`${category} ${offenderId(offender)}`);
  }

  find(offender: Offender): Ban | undefined {
    if (this.#bans.size === 0) return undefined;
    const id = offenderId(offender);
    const ban = this.#bans.get(id);
    if (ban === undefined || this.#options.now() < ban.until) return ban;
    this.#end(id, ban, 'time');
    return undefined;
  }

  adopt(ban: Ban, origin: BanOrigin): boolean {
    if (ban.until <= this.#options.now() || this.#isExempt(ban.category, ban.offender)) return false;
    return this.#put(ban, origin);
  }

  unblock(id: string): boolean {
    const ban = this.#bans.get(id);
    if (ban === undefined) return false;
    this.#end(id, ban, 'operator');
    return true;
  }

  list(): readonly Ban[] {
    const now = this.#options.now();
    for (const [id, ban] of this.#bans) if (ban.until <= now) this.#end(id, ban, 'time');
    return [...this.#bans.values()];
  }

  get(id: string): Ban | undefined {
    return this.#bans.get(id);
  }

  watch(watcher: BanWatcher): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  history(): readonly BanHistory[] {
    return this.#history;
  }

  stats(): readonly BanStats[] {
    const bans = this.list();
    return [...this.#options.categories.keys()].map((category) => ({
      category,
      state: 'on',
      blocked: bans.filter((ban) => ban.category === category).length,
      ...this.#total(category),
    }));
  }

  status(): object {
    const time = (at: number): string => new Date(at).toISOString();
    const shown = ({ id, category, failures, since, until, source }: Ban): object => ({
      id,
      category,
      failures,
      since: time(since),
      until: time(until),
      ...(source === undefined ? {} : { reportedBy: source }),
    });
    return {
      categories: this.stats(),
      blocked: this.list().slice(-maxShown).map(shown),
      history: this.#history
        .slice(-maxShown)
        .map(({ ban, by, endedAt }) => ({ ...shown(ban), ended: time(endedAt), by })),
    };
  }

  #isExempt(category: string, offender: Offender): boolean {
    if (offender.kind === 'device' || (offender.kind === 'user' && offender.address === '')) return false;
    const address = plainAddress(offender.address);
    const family = addressFamily(address);
    // What is no address cannot be shut out by address: better nobody than everybody.
    if (family === undefined) return true;
    return this.#exempt.some(
      ({ networks, categories }) =>
        (categories === 'all' || categories.includes(category)) && networks.check(address, family),
    );
  }

  #judge(category: string, rule: BanRule, offender: Offender, failures: number): void {
    if (failures < rule.triggerLevel) return;
    const id = offenderId(offender);
    this.#counters.forget(`${category} ${id}`);
    const since = this.#options.now();
    const ban: Ban = { id, offender, category, since, until: since + rule.blockMs, failures };
    this.#total(category).blocks += 1;
    if (!this.#put(ban, 'here')) return;
    this.#options.count('banned', category);
    this.#options.onBan(ban);
  }

  #put(ban: Ban, origin: BanOrigin): boolean {
    const known = this.#bans.get(ban.id);
    if (known !== undefined && known.until >= ban.until) return false;
    this.#bans.delete(ban.id);
    this.#bans.set(ban.id, ban);
    for (const watcher of this.#watchers) watcher.added(ban, origin);
    if (this.#bans.size <= this.#options.maxBans) return true;
    const [oldest] = this.#bans;
    if (oldest !== undefined) this.#end(oldest[0], oldest[1], 'space');
    this.#options.count('bans-full');
    return true;
  }

  #end(id: string, ban: Ban, by: BanHistory['by']): void {
    this.#bans.delete(id);
    this.#history.push({ ban, endedAt: this.#options.now(), by });
    if (this.#history.length > this.#options.maxHistory) this.#history.shift();
    for (const watcher of this.#watchers) watcher.ended(ban, by);
  }

  #total(category: string): { failures: number; blocks: number } {
    const known = this.#totals.get(category);
    if (known !== undefined) return known;
    const made = { failures: 0, blocks: 0 };
    this.#totals.set(category, made);
    return made;
  }
}

function networkOf(network: string): BlockList {
  const list = new BlockList();
  const [address = '', prefix] = network.split('/');
  const family = addressFamily(address);
  if (family === undefined) throw new Error(`${network} is no network`);
  list.addSubnet(address, prefix === undefined ? (family === 'ipv4' ? 32 : 128) : Number(prefix), family);
  return list;
}
