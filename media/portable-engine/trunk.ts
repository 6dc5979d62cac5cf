// The links of one trunk port by remote address, and the rate of STUN messages it lets through.
// Trusts nothing: until a link has this remote, only STUN from it is looked at, a bounded number per second, half
// of it kept for the addresses of live links so that a flood cannot silence a peer's keepalive.
import type { TransportAddress } from '../../turn/index.ts';
import type { Link } from './link.ts';

export class Trunk {
  readonly #stunPerSecond: number;
  readonly #byRemote = new Map<string, Link>();
  #latest: Link | undefined;
  #second = -1;
  #strangers = 0;
  #peers = 0;

  constructor(stunPerSecond: number) {
    this.#stunPerSecond = stunPerSecond;
  }

  /** The link whose remote this is. The one asked for last is tried first: packets come in runs. */
  find(address: string, port: number): Link | undefined {
    const latest = this.#latest?.remote;
    if (latest?.port === port && latest.address === address) return this.#latest;
    const link = this.#byRemote.get(`${address} ${port}`);
    if (link !== undefined) this.#latest = link;
    return link;
  }

  /** Gives a link a remote, or takes it away; a link that had this remote before loses it. */
  move(link: Link, remote: TransportAddress | undefined): void {
    if (link.remote !== undefined) this.#byRemote.delete(`${link.remote.address} ${link.remote.port}`);
    link.remote = remote;
    if (remote === undefined) return;
    const key = `${remote.address} ${remote.port}`;
    const former = this.#byRemote.get(key);
    if (former !== undefined) former.remote = undefined;
    this.#byRemote.set(key, link);
  }

  admitStun(address: string, now: number): boolean {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      this.#second = second;
      this.#strangers = 0;
      this.#peers = 0;
    }
    const share = this.#stunPerSecond / 2;
    if (this.#isPeer(address)) return ++this.#peers <= share;
    return ++this.#strangers <= share;
  }

  #isPeer(address: string): boolean {
    for (const link of this.#byRemote.values()) if (link.remote?.address === address) return true;
    return false;
  }
}
