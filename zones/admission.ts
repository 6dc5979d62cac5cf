// The gate before authentication, the same for the SSH and the SIP listener: how many strangers may be at the door
// at once, in all and per address, and how fast one address may knock (T-142). Everyone behind it is a pinned peer.
import { isIPv6 } from 'node:net';
import type { Clock } from './clock.ts';

export interface AdmissionOptions {
  /** Connections that have not yet proven who they are, in all. */
  readonly maxPending: number;
  /** The same per address. Several cores behind one NAT share an address. */
  readonly maxPendingPerAddress: number;
  /** New connections per second that one address may keep up. */
  readonly perAddressPerSecond: number;
  /** New connections one address may make at once after a pause. */
  readonly perAddressBurst: number;
  /** Addresses remembered; when full, a new address is refused until an old one is forgotten. */
  readonly maxAddresses: number;
}

export type AdmissionRefusal = 'pending' | 'pending-address' | 'rate' | 'addresses';

/** A place at the door. `release` when the peer is authenticated or gone; calling it twice is harmless. */
export interface Admitted {
  readonly ok: true;
  release(): void;
}

interface Knocker {
  pending: number;
  tokens: number;
  at: number;
}

export class Admission {
  readonly #options: AdmissionOptions;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #knockers = new Map<string, Knocker>();
  #pending = 0;

  constructor(options: AdmissionOptions, clock: Pick<Clock, 'now'>) {
    this.#options = options;
    this.#clock = clock;
  }

  /** Connections at the door right now. */
  get pending(): number {
    return this.#pending;
  }

  admit(address: string): Admitted | { readonly ok: false; readonly reason: AdmissionRefusal } {
    const { maxPending, maxPendingPerAddress } = this.#options;
    if (this.#pending >= maxPending) return { ok: false, reason: 'pending' };
    const knocker = this.#knocker(sourceKey(address));
    if (!knocker) return { ok: false, reason: 'addresses' };
    if (knocker.pending >= maxPendingPerAddress) return { ok: false, reason: 'pending-address' };
    if (!this.#spend(knocker)) return { ok: false, reason: 'rate' };
    return this.#place(knocker);
  }

  #place(knocker: Knocker): Admitted {
    knocker.pending += 1;
    this.#pending += 1;
    let held = true;
    return {
      ok: true,
      release: () => {
        if (!held) return;
        held = false;
        knocker.pending -= 1;
        this.#pending -= 1;
      },
    };
  }

  #spend(knocker: Knocker): boolean {
    this.#refill(knocker);
    if (knocker.tokens < 1) return false;
    knocker.tokens -= 1;
    return true;
  }

  #refill(knocker: Knocker): void {
    const now = this.#clock.now();
    const gained = ((now - knocker.at) / 1000) * this.#options.perAddressPerSecond;
    knocker.tokens = Math.min(this.#options.perAddressBurst, knocker.tokens + gained);
    knocker.at = now;
  }

  #knocker(key: string): Knocker | undefined {
    const known = this.#knockers.get(key);
    if (known) return known;
    if (this.#knockers.size >= this.#options.maxAddresses) this.#forgetIdle();
    if (this.#knockers.size >= this.#options.maxAddresses) return undefined;
    const knocker = { pending: 0, tokens: this.#options.perAddressBurst, at: this.#clock.now() };
    this.#knockers.set(key, knocker);
    return knocker;
  }

  /** An address with a full bucket and nobody at the door is the same as one never seen. */
  #forgetIdle(): void {
    for (const [key, knocker] of this.#knockers) {
      this.#refill(knocker);
      if (knocker.pending === 0 && knocker.tokens >= this.#options.perAddressBurst)
        this.#knockers.delete(key);
    }
  }
}

/** One key per source: an IPv4 address, or the /64 of an IPv6 address, which one host owns whole. */
export function sourceKey(address: string): string {
  const plain = address.replace(/%.*$/, '').toLowerCase();
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(plain)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(plain)) return plain;
  const [left = '', right] = plain.split('::');
  const head = left === '' ? [] : left.split(':');
  const tail = right === undefined || right === '' ? [] : right.split(':');
  const zeros = right === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  return [...head, ...Array<string>(zeros).fill('0'), ...tail]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}
