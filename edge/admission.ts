// Who may stand at a door that faces the internet (T-057, T-142): counts connections in all, per address, and in their
// handshake, before a byte of TLS is read. One IPv4 address or IPv6 /64 is one customer. Memory: one number per
// connected address, never more than `maxConnections`.
import { sourceKey } from '../zones/admission.ts';

/** How many may stand at one door. */
export interface AdmissionLimits {
  readonly maxConnections: number;
  /** Per IPv4 address or IPv6 /64; an office behind one NAT is one address. */
  readonly maxConnectionsPerAddress: number;
  /** TLS handshakes under way. */
  readonly maxHandshakes: number;
}

/** Why a connection was turned away. */
export type TurnedAway = 'connections' | 'connections-per-address' | 'handshakes' | 'banned';

/** One admitted connection; both functions may be called more than once. */
export interface Admitted {
  handshakeDone(): void;
  left(): void;
}

/** Counts connections against the limits. `admits` may ban an address. */
export class Admission {
  connections = 0;
  handshakes = 0;
  readonly #limits: AdmissionLimits;
  readonly #admits: (address: string) => boolean;
  readonly #perAddress = new Map<string, number>();

  constructor(limits: AdmissionLimits, admits: (address: string) => boolean = () => true) {
    this.#limits = limits;
    this.#admits = admits;
  }

  /** Addresses connected now. */
  get addresses(): number {
    return this.#perAddress.size;
  }

  /** Lets a connection from `address` in, or says why not. */
  admit(address: string): Admitted | TurnedAway {
    const key = sourceKey(address);
    const ofAddress = this.#perAddress.get(key) ?? 0;
    if (!this.#admits(address)) return 'banned';
    if (this.connections >= this.#limits.maxConnections) return 'connections';
    if (ofAddress >= this.#limits.maxConnectionsPerAddress) return 'connections-per-address';
    if (this.handshakes >= this.#limits.maxHandshakes) return 'handshakes';
    this.connections++;
    this.handshakes++;
    this.#perAddress.set(key, ofAddress + 1);
    return this.#ticket(key);
  }

  #ticket(key: string): Admitted {
    let shaking = true;
    let inside = true;
    const handshakeDone = (): void => {
      if (shaking) this.handshakes--;
      shaking = false;
    };
    const left = (): void => {
      handshakeDone();
      if (inside) this.#leave(key);
      inside = false;
    };
    return { handshakeDone, left };
  }

  #leave(key: string): void {
    this.connections--;
    const remaining = (this.#perAddress.get(key) ?? 1) - 1;
    if (remaining > 0) this.#perAddress.set(key, remaining);
    else this.#perAddress.delete(key);
  }
}
