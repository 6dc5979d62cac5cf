// One allocation as an operator reads it: who, from where, to whom, how much, how long. No secret, no nonce.
import type { RelayCounters } from './relay/relay-engine.ts';
import type { TcpRelayCounters } from './tcp/tcp-relays.ts';
import { endText, noteOf, type Allocation } from './server/allocation.ts';

export interface AllocationStatus {
  readonly allocation: number;
  readonly user: string;
  readonly deployment: string;
  readonly client: string;
  readonly relayed: string;
  readonly state: 'opening' | 'open';
  readonly ageSeconds: number;
  readonly expiresInSeconds: number;
  /** Permitted addresses; bounded by the permission limit. */
  readonly peers: readonly string[];
  readonly channels: readonly string[];
  readonly traffic: RelayCounters | undefined;
  /** Of a TCP allocation. */
  readonly tcpTraffic: TcpRelayCounters | undefined;
}

/** Describes an allocation as it is at `now`. */
export function describeAllocation(
  allocation: Allocation,
  traffic: RelayCounters | undefined,
  tcpTraffic: TcpRelayCounters | undefined,
  now: number,
): AllocationStatus {
  return {
    ...noteOf(allocation),
    state: allocation.state,
    ageSeconds: Math.trunc((now - allocation.createdAt) / 1000),
    expiresInSeconds: Math.max(0, Math.ceil((allocation.expiresAt - now) / 1000)),
    peers: [...allocation.permissions.keys()],
    channels: [...allocation.channels].map(([number, { peer }]) => `${number.toString(16)} ${endText(peer)}`),
    traffic,
    tcpTraffic,
  };
}
