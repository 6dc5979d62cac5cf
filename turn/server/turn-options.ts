// What the TURN machine must be told: lifetimes, limits, addresses, and the sources of randomness and credentials.
// Defaults and ranges are the configuration's; nothing but the guard is optional.
import type { TransportAddress } from '../ip-address.ts';
import type { PeerPolicy } from '../policy/peer-policy.ts';
import type { AddressFamily } from '../turn-values.ts';
import type { CredentialSource } from './credentials.ts';

/** An address of this machine that relayed addresses are opened at, and how it is known outside. */
export interface RelayAddress {
  readonly family: AddressFamily;
  readonly bound: string;
  readonly announced: string;
}

/** Intrusion protection, as far as TURN sees it: addresses are proven by the nonce or the handshake. */
export interface TurnGuard {
  /** `username` undefined: whoever it is. */
  admits(address: string, username: string | undefined): boolean;
  /** A wrong password of this user, or (`username` undefined) credentials that nobody has. */
  failed(address: string, username: string | undefined): void;
}

export interface TurnMachineOptions {
  readonly realm: string;
  readonly credentials: CredentialSource;
  readonly nonceLifetimeMs: number;
  /** Off: a Binding request needs credentials like any other (Expressway from X12.6.1). */
  readonly answersUnauthenticatedBinding: boolean;
  /** At most one of each family. */
  readonly relayAddresses: readonly RelayAddress[];
  readonly firstRelayPort: number;
  readonly lastRelayPort: number;
  readonly portQuarantineMs: number;
  /** Other ports tried when something else on this machine holds one of ours. */
  readonly maxBindTries: number;
  readonly defaultLifetimeMs: number;
  readonly maxLifetimeMs: number;
  /** An allocation ends at this age whatever is refreshed: its credential was checked when it began. */
  readonly maxAgeMs: number;
  readonly permissionLifetimeMs: number;
  readonly channelLifetimeMs: number;
  readonly reservationMs: number;
  readonly maxAllocations: number;
  readonly maxAllocationsPerUser: number;
  readonly maxAllocationsPerDeployment: number;
  readonly maxPermissionsPerAllocation: number;
  readonly maxChannelsPerAllocation: number;
  /** Channels up to 0x7FFE as in RFC 5766, where RFC 8656 ends at 0x4FFF. */
  readonly acceptsRfc5766Channels: boolean;
  /** Longest answer without proof of the client's address, in lengths of its request (T-007). */
  readonly maxRefusalRatio: number;
  /** Unproven answers per second to one IPv4 address or IPv6 /64. */
  readonly refusalsPerSecondPerAddress: number;
  /** Servers named in 300 when this one is full. */
  readonly alternates: readonly TransportAddress[];
  readonly policy: PeerPolicy;
  /** TCP allocations (RFC 6062) can be served. */
  readonly supportsTcpRelays: boolean;
  /** How long a peer may take to answer Connect; RFC 6062 §5.2: at least 30 s. */
  readonly connectTimeoutMs: number;
  /** How long a connection to a peer waits for its ConnectionBind (RFC 6062 §5.2, §5.3: 30 s). */
  readonly bindTimeoutMs: number;
  /** Connections to peers of one TCP allocation. */
  readonly maxConnectionsPerAllocation: number;
  /** Connections to peers of all TCP allocations. */
  readonly maxPeerConnections: number;
  /** The engine can set DF on what it sends. */
  readonly supportsDontFragment: boolean;
  /** Left out: nobody is shut out. */
  readonly guard?: TurnGuard | undefined;
  readonly randomBytes: (count: number) => Buffer;
  readonly randomBelow: (limit: number) => number;
}
