// Keeps the sets of a packet filter like the ban list, so that banned packets never reach this process. The list decides and
// the sets follow: a filter that cannot be changed costs nothing but that, for the doors ask the list themselves. Users
// and devices that are shut out never come here: only addresses do. One program at a time; what waits is bounded, and
// beyond that everything is written anew.
import { isIP } from 'node:net';
import type { Ban, BanList } from '../../auth/index.ts';
import { type Element, type NftSets, printChanges, printReset } from './nft-commands.ts';
import type { RunNft } from './run-nft.ts';

export interface PacketFilterOptions {
  readonly sets: NftSets;
  readonly list: BanList;
  readonly run: RunNft;
  /** Elements in one transaction. */
  readonly maxBatch: number;
  /** Changes that may wait; beyond it everything is written anew. */
  readonly maxWaiting: number;
  /** How often everything is written anew: a firewall that was reloaded has forgotten the elements. */
  readonly refreshMs: number;
  /** Pause after a failure. */
  readonly retryMs: number;
  /** Wall clock. */
  readonly now: () => number;
  readonly after: (ms: number, run: () => void) => () => void;
  readonly log: { info(fields: object, text: string): void; error(fields: object, text: string): void };
  readonly count: (event: string, reason?: string) => void;
}

export class PacketFilter {
  readonly #options: PacketFilterOptions;
  /** Address → until when; undefined: let in. */
  readonly #waiting = new Map<string, number | undefined>();
  #isStale = true;
  #words = '';
  #working: Promise<void> | undefined;
  #unwatch: () => void = () => undefined;
  #cancelTimer: () => void = () => undefined;
  #isClosed = false;

  constructor(options: PacketFilterOptions) {
    this.#options = options;
  }

  /** Begins to follow the list; resolves after the first try, whatever came of it. */
  async open(): Promise<void> {
    this.#unwatch = this.#options.list.watch({
      added: (ban) => this.#note(ban, ban.until),
      ended: (ban, by) => by !== 'time' && this.#note(ban, undefined),
    });
    this.#work();
    await this.#working;
  }

  /** Elements stay until their time is over: edge comes back, and its bans with it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#unwatch();
    this.#cancelTimer();
    await this.#working;
  }

  /** Empty while all is well; else what the operator can do. */
  health(): string {
    return this.#words;
  }

  #note({ offender }: Ban, until: number | undefined): void {
    if (offender.kind !== 'address' || isIP(offender.address) === 0) return;
    this.#waiting.set(offender.address, until);
    if (this.#waiting.size > this.#options.maxWaiting) {
      this.#options.count('packet-filter-behind');
      this.#waiting.clear();
      this.#isStale = true;
    }
    if (this.#words === '') this.#work();
  }

  #work(): void {
    if (this.#working !== undefined || this.#isClosed) return;
    this.#cancelTimer();
    this.#working = this.#empty().then((done) => {
      this.#working = undefined;
      if (this.#isClosed) return;
      const { refreshMs, retryMs, after } = this.#options;
      this.#cancelTimer = after(done ? refreshMs : retryMs, () => {
        this.#isStale = true;
        this.#work();
      });
      if (done && this.#waiting.size > 0) this.#work();
    });
  }

  /** Writes everything that waits; false when the filter cannot be changed. */
  async #empty(): Promise<boolean> {
    if (this.#isStale) {
      this.#isStale = false;
      this.#waiting.clear();
      if (!(await this.#run(printReset(this.#options.sets)))) return false;
      for (const ban of this.#options.list.list()) this.#queue(ban);
    }
    while (this.#waiting.size > 0 && !this.#isClosed) {
      if (!(await this.#run(this.#takeBatch()))) return false;
    }
    return true;
  }

  /** All of them, beyond `maxWaiting` too: they are in the list anyway. */
  #queue({ offender, until }: Ban): void {
    if (offender.kind === 'address' && isIP(offender.address) !== 0)
      this.#waiting.set(offender.address, until);
  }

  #takeBatch(): string {
    const added: Element[] = [];
    const removed: string[] = [];
    for (const [address, until] of this.#waiting) {
      if (added.length + removed.length >= this.#options.maxBatch) break;
      this.#waiting.delete(address);
      if (until === undefined) removed.push(address);
      else added.push({ address, leftMs: until - this.#options.now() });
    }
    return printChanges(this.#options.sets, added, removed);
  }

  async #run(input: string): Promise<boolean> {
    const { run, log, count } = this.#options;
    const result = await run(input);
    const words = result.ok ? '' : result.words;
    if (!result.ok) {
      this.#isStale = true;
      count('packet-filter-failed');
    }
    if (words !== this.#words) {
      if (result.ok) log.info({}, 'the packet filter keeps banned addresses out again');
      else
        log.error({ cause: words }, 'banned addresses are kept out by edge alone, not by the packet filter');
    }
    this.#words = words;
    return result.ok;
  }
}
