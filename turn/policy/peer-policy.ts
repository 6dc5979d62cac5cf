// Whom the relay may talk to, by topology: special-purpose ranges, this machine's own addresses and the deployment's
// inside are denied, an allow list overrides. Judged on every form of an address (T-001 to T-004). Our own relayed
// addresses are peers like others, but only at relay and media ports, so that no listener of ours is ever reached.
import { addressBytes, canonicalAddress, type TransportAddress } from '../ip-address.ts';
import { embeddedIpv4 } from './embedded-ipv4.ts';
import { inRange, parseIpRange, type IpRange } from './ip-range.ts';
import { SPECIAL_PURPOSE } from './special-purpose.ts';

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface PeerPolicyOptions {
  /** Ranges that are relayed to although something below denies them. */
  readonly allow: readonly string[];
  /** Ranges that are never relayed to: inside nodes, other peers' links. */
  readonly deny: readonly string[];
  /** Every address of this machine, and those announced for it. */
  readonly ownAddresses: readonly string[];
  /** Addresses of `ownAddresses` that relayed addresses are announced with. */
  readonly relayAddresses: readonly string[];
  /** Ports at the relay addresses that a relay may send to: relayed addresses, media ports. */
  readonly ownPorts: readonly PortRange[];
}

/** Ports of a permitted peer; undefined stands for all but zero. */
export type PeerPorts = readonly PortRange[] | undefined;
export type PeerVerdict =
  | { readonly allowed: true; readonly ports: PeerPorts }
  | { readonly allowed: false; readonly reason: 'special-purpose' | 'own-address' | 'denied-range' };

export class PeerPolicy {
  readonly #allow: readonly IpRange[];
  readonly #deny: readonly IpRange[];
  readonly #own: ReadonlySet<string>;
  readonly #relays: ReadonlySet<string>;
  readonly #ownPorts: readonly PortRange[];

  /** @throws IpRangeError naming the entry that is no range. */
  constructor(options: PeerPolicyOptions) {
    this.#allow = options.allow.map(parseIpRange);
    this.#deny = options.deny.map(parseIpRange);
    this.#own = new Set(options.ownAddresses.map(ownKey));
    this.#relays = new Set(options.relayAddresses.map(ownKey));
    this.#ownPorts = options.ownPorts;
  }

  /** Whether a permission for this address may exist, and at which ports. Text that is no address is refused. */
  judge(address: string): PeerVerdict {
    const bytes = addressBytes(canonicalAddress(address) ?? '');
    if (bytes === undefined) return { allowed: false, reason: 'special-purpose' };
    if (this.#relays.has(bytes.toString('hex'))) return { allowed: true, ports: this.#ownPorts };
    for (const form of [...embeddedIpv4(bytes), bytes]) {
      const reason = this.#denial(form);
      if (reason !== undefined) return { allowed: false, reason };
    }
    return { allowed: true, ports: undefined };
  }

  /** Whether one peer may be bound to a channel. */
  judgePeer(peer: TransportAddress): PeerVerdict {
    const verdict = this.judge(peer.address);
    if (!verdict.allowed || portAllowed(verdict.ports, peer.port)) return verdict;
    return { allowed: false, reason: 'own-address' };
  }

  #denial(form: Buffer): 'special-purpose' | 'own-address' | 'denied-range' | undefined {
    const within = (ranges: readonly IpRange[]): boolean => ranges.some((range) => inRange(range, form));
    // An own address stays denied whatever the allow list says: the list is for hosts, our listeners are not.
    const key = form.toString('hex');
    if (this.#own.has(key) || this.#relays.has(key)) return 'own-address';
    if (within(this.#allow)) return undefined;
    if (within(this.#deny)) return 'denied-range';
    return within(SPECIAL_PURPOSE) ? 'special-purpose' : undefined;
  }
}

function ownKey(address: string): string {
  const bytes = addressBytes(canonicalAddress(address) ?? '');
  if (bytes === undefined) throw new TypeError(`${JSON.stringify(address)} is not an IP address`);
  return bytes.toString('hex');
}

/** True when a permission's ports take this one. Port 0 is nobody's. */
export function portAllowed(ports: PeerPorts, port: number): boolean {
  if (port === 0) return false;
  return ports === undefined || ports.some(({ first, last }) => port >= first && port <= last);
}
