// What the TURN machine hears and what it wants done: the whole of its world (RFC 8656). Packets of peers and clients'
// data are not in it: they pass through the relay engine, which the machine's actions set up and take down.
import type { TransportAddress } from '../ip-address.ts';
import type { PeerPorts } from '../policy/peer-policy.ts';
import type { AddressFamily } from '../turn-values.ts';

/** A client's 5-tuple. `key` is unique among those open at one time; two inputs of one 5-tuple carry equal keys. */
export interface ClientPath {
  readonly key: string;
  readonly transport: 'udp' | 'tcp' | 'tls' | 'dtls';
  readonly remote: TransportAddress;
}

/** Never used twice in one machine. */
export type AllocationId = number;

/** CONNECTION-ID of RFC 6062: 32 random bits, unique among those in use. */
export type ConnectionId = number;

/** One relayed address: the socket's own, and what the client and its peers are told. */
export interface RelayEnd {
  readonly family: AddressFamily;
  readonly bound: TransportAddress;
  readonly announced: TransportAddress;
}

export type TurnInput =
  /** One whole STUN message of a client; Send indications do not come here. */
  | { readonly type: 'message'; readonly path: ClientPath; readonly bytes: Buffer }
  | { readonly type: 'relay-opened'; readonly allocation: AllocationId }
  | {
      readonly type: 'relay-failed';
      readonly allocation: AllocationId;
      readonly code: 'address-in-use' | 'bind-failed';
    }
  /** A peer connected to a relay of a TCP allocation; `connection` came from `newConnectionId`. */
  | {
      readonly type: 'peer-arrived';
      readonly allocation: AllocationId;
      readonly connection: ConnectionId;
      readonly peer: TransportAddress;
    }
  /** What became of `dial-peer`. */
  | { readonly type: 'peer-connected' | 'peer-failed'; readonly connection: ConnectionId }
  /** A connection to a peer is over, by its end or by the client's. */
  | { readonly type: 'peer-closed'; readonly connection: ConnectionId }
  /** A stream or association of a client is gone. */
  | { readonly type: 'path-closed'; readonly path: ClientPath }
  /** Time has passed: about once a second; nothing outlives its time by more than the distance of two ticks. */
  | { readonly type: 'tick' };

/** Why a message gets no answer. */
export type DropReason =
  | 'malformed'
  | 'not-a-request'
  | 'bad-fingerprint'
  | 'refusal-rate'
  | 'refusal-size'
  | 'no-permission'
  | 'connection-limit'
  | 'banned'
  | 'retransmission';

export interface AllocationNote {
  readonly allocation: AllocationId;
  readonly user: string;
  readonly deployment: string;
  readonly client: string;
  readonly relayed: string;
}

/** What an operator wants to hear of (mra-wire §6.2: relay allocated, deleted, expired; alarms at 80 and 100 %). */
export type TurnEvent =
  | ({ readonly kind: 'allocated' } & AllocationNote)
  | ({ readonly kind: 'deleted' | 'expired' | 'client-gone' | 'too-old' } & AllocationNote)
  | {
      readonly kind: 'usage';
      readonly level: 'normal' | 'high' | 'full';
      readonly allocations: number;
      readonly most: number;
    };

export type TurnAction =
  | { readonly type: 'reply'; readonly path: ClientPath; readonly bytes: Buffer }
  | {
      readonly type: 'open-relay';
      readonly allocation: AllocationId;
      readonly path: ClientPath;
      readonly relays: readonly RelayEnd[];
      readonly transport: 'udp' | 'tcp';
    }
  /** All relays of an allocation, or those of one family. */
  | { readonly type: 'close-relay'; readonly allocation: AllocationId; readonly family?: AddressFamily }
  | {
      readonly type: 'permit';
      readonly allocation: AllocationId;
      readonly address: string;
      readonly ports: PeerPorts;
    }
  | { readonly type: 'forbid'; readonly allocation: AllocationId; readonly address: string }
  | {
      readonly type: 'bind-channel';
      readonly allocation: AllocationId;
      readonly channel: number;
      readonly peer: TransportAddress;
    }
  | { readonly type: 'unbind-channel'; readonly allocation: AllocationId; readonly channel: number }
  /** Connects a relay of a TCP allocation to a peer, from the relayed address. */
  | {
      readonly type: 'dial-peer';
      readonly allocation: AllocationId;
      readonly connection: ConnectionId;
      readonly peer: TransportAddress;
    }
  | { readonly type: 'close-peer'; readonly connection: ConnectionId }
  /** From here on the stream's bytes are the peer's, both ways. */
  | { readonly type: 'join-peer'; readonly connection: ConnectionId; readonly path: ClientPath }
  /** The client was proven at another 5-tuple (RFC 8016). */
  | { readonly type: 'move-client'; readonly allocation: AllocationId; readonly path: ClientPath }
  | { readonly type: 'event'; readonly event: TurnEvent }
  | { readonly type: 'count'; readonly event: 'answered' | 'refused' | 'dropped'; readonly reason: string };
