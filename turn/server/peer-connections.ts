// TCP connections between relayed addresses and peers (RFC 6062 §5) as facts: who holds which CONNECTION-ID, and until when
// it waits. Memory: bounded for each allocation and for the server; an id is random, so that nobody guesses another's.
import type { TransportAddress } from '../ip-address.ts';
import type { Seal } from './authenticate.ts';
import type { Allocation } from './allocation.ts';
import type { ConnectionId } from './turn-input.ts';

/** The Connect request that waits for its answer. */
export interface ConnectRequest {
  readonly transactionId: Buffer;
  readonly seal: Seal;
  readonly fingerprint: boolean;
}

export interface PeerConnection {
  readonly id: ConnectionId;
  readonly allocation: Allocation;
  readonly peer: TransportAddress;
  /** Only of one that the client asked for. */
  readonly request: ConnectRequest | undefined;
  /** `dialling` until the peer answers, `pending` until a ConnectionBind, then `bound`. */
  state: 'dialling' | 'pending' | 'bound';
  /** When a dialling or pending one is given up. */
  expiresAt: number;
}

export interface PeerConnectionLimits {
  readonly maxConnectionsPerAllocation: number;
  readonly maxPeerConnections: number;
}

export class PeerConnections {
  readonly #limits: PeerConnectionLimits;
  readonly #byId = new Map<ConnectionId, PeerConnection>();
  readonly #byAllocation = new Map<Allocation, Set<PeerConnection>>();

  constructor(limits: PeerConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: ConnectionId): PeerConnection | undefined {
    return this.#byId.get(id);
  }

  of(allocation: Allocation): ReadonlySet<PeerConnection> {
    return this.#byAllocation.get(allocation) ?? new Set();
  }

  /** Whether this allocation may have another one. */
  hasRoom(allocation: Allocation): boolean {
    return (
      this.#byId.size < this.#limits.maxPeerConnections &&
      this.of(allocation).size < this.#limits.maxConnectionsPerAllocation
    );
  }

  add(connection: PeerConnection): void {
    this.#byId.set(connection.id, connection);
    const held = this.#byAllocation.get(connection.allocation) ?? new Set();
    this.#byAllocation.set(connection.allocation, held.add(connection));
  }

  remove(connection: PeerConnection): void {
    if (!this.#byId.delete(connection.id)) return;
    const held = this.#byAllocation.get(connection.allocation);
    held?.delete(connection);
    if (held?.size === 0) this.#byAllocation.delete(connection.allocation);
  }

  /** Those whose time is over; the caller removes them. */
  expired(now: number): PeerConnection[] {
    return [...this.#byId.values()].filter(({ state, expiresAt }) => state !== 'bound' && expiresAt <= now);
  }
}
