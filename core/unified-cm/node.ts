// What core knows of a server inside: its name, how it may be reached and how that stands. Discovery pins the addresses;
// every connection goes to a pinned address and proves the name, so what DNS says later changes nothing (T-110).
import type { ListedNode } from '../../auth/index.ts';

export interface CallControlNode extends ListedNode {
  /** Addresses found at discovery; empty when the name could not be resolved yet. */
  readonly addresses: readonly string[];
  /** PEM of the authorities that may sign its certificate; undefined: the system's. */
  readonly trust: string | undefined;
  readonly discovered: boolean;
  readonly reach: Reach;
}

/** How a node stands, in words an operator can act on; `since` is a wall-clock time. */
export interface Reach {
  readonly state: 'unknown' | 'up' | 'down';
  readonly cause: string;
  readonly since: number;
}

/** Where a connection goes and what it must prove. */
export interface NodeService {
  readonly node: Pick<CallControlNode, 'name' | 'cluster' | 'addresses' | 'trust'>;
  readonly protocol: 'http' | 'https';
  readonly port: number;
}
