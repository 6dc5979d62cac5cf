// The relay engine's interface: what moves packets between clients and peers. JavaScript declares listeners, relays,
// permissions and channels; packets need not reach it. Implemented on node:dgram by portable-relay.ts and made so that
// a native engine can take its place: numbers, strings and buffers, no callback per packet over UDP.
import type { TransportAddress } from '../ip-address.ts';
import type { PeerPorts } from '../policy/peer-policy.ts';
import type { AllocationId, RelayEnd } from '../server/turn-input.ts';
import type { AddressFamily } from '../turn-values.ts';
import type { RelayDrop } from './relay-path.ts';

/** Positive, never used twice in one engine. */
export type ListenerId = number;

/** Where an allocation's client is. A stream's bytes come and go through its door. */
export type ClientEnd =
  | { readonly kind: 'udp'; readonly listener: ListenerId; readonly remote: TransportAddress }
  /** `send` takes one framed message; false when the client reads too slowly and it was dropped. */
  | { readonly kind: 'stream'; readonly send: (bytes: Buffer) => boolean };

export interface RelaySpec {
  readonly allocation: AllocationId;
  readonly client: ClientEnd;
  readonly relays: readonly RelayEnd[];
}

/** Since the allocation was made; drops of both directions together. */
export interface RelayCounters {
  readonly packetsFromClient: number;
  readonly bytesFromClient: number;
  readonly packetsFromPeers: number;
  readonly bytesFromPeers: number;
  readonly drops: Readonly<Record<RelayDrop, number>>;
}

/**
 * From somebody without allocation, with first bits of neither STUN nor ChannelData, from a link-local source; or a
 * request that was dropped because too many wait, a stranger's or a client's.
 */
export type StrayReason = 'no-allocation' | 'not-turn' | 'link-local' | 'strangers-queue' | 'clients-queue';

export interface RelayEvents {
  /** A STUN message of a client on a UDP listener that is not a Send indication. The engine keeps no copy. */
  onControl(listener: ListenerId, remote: TransportAddress, bytes: Buffer): void;
  /** `packets` that are nobody's. */
  onStray(reason: StrayReason, packets: number): void;
  /** A socket failed after it was open; or the engine's thread ended, and another took up its sockets. */
  onFailure(where: 'listener' | 'relay' | 'engine', code: string): void;
}

/** Errors of opening. */
export class RelayEngineError extends Error {
  readonly code: 'address-in-use' | 'bind-failed' | 'closed';
  constructor(code: RelayEngineError['code'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'RelayEngineError';
    this.code = code;
  }
}

/** The error of a socket that could not be opened. */
export function relayRefusal(
  code: RelayEngineError['code'],
  text: string,
  options: ErrorOptions,
): RelayEngineError {
  return new RelayEngineError(code, text, options);
}

export interface RelayEngine {
  readonly kind: 'portable' | 'native';
  /** Whether DONT-FRAGMENT can be obeyed, in Allocate and in Send (RFC 8656 §14). */
  readonly supportsDontFragment: boolean;
  /** Whether ICMP errors about a client's packets come to it as Data indications (RFC 8656 §11.5). */
  readonly tellsIcmp: boolean;

  /** Opens a UDP socket for clients. Rejects RelayEngineError. */
  openListener(
    bind: TransportAddress,
  ): Promise<{ readonly id: ListenerId; readonly bound: TransportAddress }>;
  /** Sends one STUN message to a client. */
  sendControl(listener: ListenerId, remote: TransportAddress, bytes: Buffer): void;

  /** Opens the sockets of an allocation, all or none. Rejects RelayEngineError. */
  open(spec: RelaySpec): Promise<void>;
  setClient(allocation: AllocationId, client: ClientEnd): void;
  permit(allocation: AllocationId, address: string, ports: PeerPorts): void;
  forbid(allocation: AllocationId, address: string): void;
  bindChannel(allocation: AllocationId, channel: number, peer: TransportAddress): void;
  unbindChannel(allocation: AllocationId, channel: number): void;
  /** ChannelData or a Send indication of a client on a stream. */
  fromStream(allocation: AllocationId, bytes: Buffer): void;
  /** Closes an allocation's sockets at once, or those of one family. Unknown numbers are ignored. */
  closeRelay(allocation: AllocationId, family?: AddressFamily): void;
  counters(allocation: AllocationId): RelayCounters | undefined;

  /** Handles in use: what a leak test reads. */
  sizes(): { readonly listeners: number; readonly relays: number };
  close(): Promise<void>;
}
