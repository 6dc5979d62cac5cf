// What edge calls itself on its two sides, and where it draws ids from: all that a forwarded request carries of us.
import type { BranchMaker, HopSide } from '../../sip/hop/index.ts';

/** Fixed for the life of the process. Hosts are lower case. */
export interface EdgeHop {
  /** As clients reach it: the public name, 5061. */
  readonly outside: HopSide;
  /** As core names it: the pinned name, 7001. */
  readonly inside: HopSide;
  /** Further hosts that mean this edge in a Route: other certificate names, its cluster peers. */
  readonly aliases: ReadonlySet<string>;
  /** The zone that every client sits in. */
  readonly clientZone: string;
  readonly hopCount: number;
  readonly branches: BranchMaker;
  readonly randomUuid: () => string;
}

/** Whether a host in a Route or Request-URI is this edge. */
export function isEdgeHost(hop: EdgeHop, host: string): boolean {
  const lower = host.toLowerCase();
  return lower === hop.outside.host || lower === hop.inside.host || hop.aliases.has(lower);
}
