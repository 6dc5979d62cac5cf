// What core calls itself on its two sides, and where it draws ids from.
import type { BranchMaker, HopSide } from '../../sip/hop/index.ts';

/** Fixed for the life of the process. Hosts are lower case. */
export interface CoreHop {
  /** As edge names it: the pinned name, 5061. */
  readonly edgeSide: HopSide;
  /** As call control reaches it, by transport: one address, two ports. */
  readonly inside: { readonly tcp: HopSide; readonly tls: HopSide };
  readonly hopCount: number;
  readonly branches: BranchMaker;
  readonly randomUuid: () => string;
}

/** Whether a host in a Route or Request-URI is this core. */
export function isCoreHost(hop: CoreHop, host: string): boolean {
  const lower = host.toLowerCase();
  return lower === hop.edgeSide.host || lower === hop.inside.tcp.host || lower === hop.inside.tls.host;
}
