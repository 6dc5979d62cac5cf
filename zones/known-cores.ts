// Strangers at the doors of the links, and who is none: an address from where a pinned core has logged in may share a NAT
// with others, and shutting it out would cut the pair. Bounded by `maxAddresses`; the oldest goes first.
import type { StrangerWatch } from './peer.ts';

export interface KnownCores extends StrangerWatch {
  /** A core has logged in from here. */
  know(address: string): void;
}

/** A zone has at most six cores, behind at most as many NATs; a roaming one leaves a few behind. */
const maxAddresses = 64;

export function knowCores(watch: StrangerWatch | undefined): KnownCores {
  const known = new Set<string>();
  return {
    know(address) {
      known.delete(address);
      known.add(address);
      const [oldest] = known;
      if (known.size > maxAddresses && oldest !== undefined) known.delete(oldest);
    },
    admits: (address) => watch === undefined || known.has(address) || watch.admits(address),
    misbehaved(kind, address) {
      if (!known.has(address)) watch?.misbehaved(kind, address);
    },
  };
}
