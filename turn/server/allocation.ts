// One allocation (RFC 8656 §3.2, §7 to §9, §12): relayed addresses, permissions and channels of one client's 5-tuple.
// Only facts; who may change them is the handlers' business. Bounded by the permission and channel limits.
import type { TransportAddress } from '../ip-address.ts';
import { canonicalAddress } from '../ip-address.ts';
import type { HeldCredential, Seal } from './authenticate.ts';
import type { AllocationId, AllocationNote, ClientPath, RelayEnd } from './turn-input.ts';

/** The Allocate request that is waiting, or whose retransmissions get the same answer. */
export interface AllocateRequest {
  readonly transactionId: Buffer;
  readonly seal: Seal;
  readonly fingerprint: boolean;
  readonly lifetimeMs: number;
  readonly even: 'any' | 'even' | 'even-and-next';
  readonly mobile: boolean;
  /** What peers are reached by. */
  readonly transport: 'udp' | 'tcp';
}

export interface Channel {
  readonly peer: TransportAddress;
  expiresAt: number;
}

export interface Allocation {
  readonly id: AllocationId;
  path: ClientPath;
  /** Changes with the holder's next token (RFC 7635); its owner does not. */
  credential: HeldCredential;
  readonly request: AllocateRequest;
  readonly createdAt: number;
  state: 'opening' | 'open';
  relays: readonly RelayEnd[];
  /** Families asked for and not given, told in ADDRESS-ERROR-CODE. */
  readonly missingFamilies: readonly { readonly family: 4 | 6; readonly code: 440 | 508 }[];
  bindTries: number;
  expiresAt: number;
  /** Token of the port reserved with this allocation. */
  reservation: Buffer | undefined;
  /** The success answer, kept for retransmissions. */
  answer: Buffer | undefined;
  /** Serial of the only mobility ticket that is good. */
  ticket: number;
  /** Peer address → end of its permission. */
  readonly permissions: Map<string, number>;
  readonly channels: Map<number, Channel>;
  /** Peer as text → its channel. */
  readonly channelOf: Map<string, number>;
}

/** One text per peer, whatever its spelling. */
export function peerKey(peer: TransportAddress): string {
  return `${canonicalAddress(peer.address) ?? ''} ${peer.port}`;
}

/** What events say of an allocation. */
export function noteOf(allocation: Allocation): AllocationNote {
  const { id, credential, path, relays } = allocation;
  return {
    allocation: id,
    user: credential.owner.user,
    deployment: credential.owner.deployment,
    client: `${path.transport} ${endText(path.remote)}`,
    relayed: relays.map(({ announced }) => endText(announced)).join(', '),
  };
}

/** ADDRESS:PORT, brackets round IPv6. */
export function endText({ address, port }: TransportAddress): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
