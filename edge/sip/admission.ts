// Who may open another connection: totals, a share per address, and a bound on handshakes under way, all before a
// byte of SIP is read (T-057, T-142). Addresses are folded so that one IPv6 subscriber (a /64) counts as one.
// Memory: one entry per address that holds a connection, never more than `maxConnections`.

export interface AdmissionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly maxHandshakes: number;
}

/** Why a connection is turned away. */
export type AdmissionRefusal = 'connections' | 'connections-per-address' | 'handshakes';

export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #perAddress = new Map<string, number>();
  #total = 0;
  #handshakes = 0;

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  get connections(): number {
    return this.#total;
  }

  get handshakes(): number {
    return this.#handshakes;
  }

  get addresses(): number {
    return this.#perAddress.size;
  }

  /** Counts a connection that begins its handshake, or says why it may not. */
  admit(address: string): AdmissionRefusal | undefined {
    if (this.#total >= this.#limits.maxConnections) return 'connections';
    if (this.#handshakes >= this.#limits.maxHandshakes) return 'handshakes';
    const key = addressKey(address);
    const held = this.#perAddress.get(key) ?? 0;
    if (held >= this.#limits.maxConnectionsPerAddress) return 'connections-per-address';
    this.#perAddress.set(key, held + 1);
    this.#total += 1;
    this.#handshakes += 1;
    return undefined;
  }

  /** The handshake of an admitted connection is over, one way or the other. Once per connection. */
  handshakeOver(): void {
    this.#handshakes -= 1;
  }

  /** An admitted connection is gone. Once per connection. */
  release(address: string): void {
    const key = addressKey(address);
    const held = this.#perAddress.get(key) ?? 0;
    if (held > 1) this.#perAddress.set(key, held - 1);
    else this.#perAddress.delete(key);
    this.#total -= 1;
  }
}

/** IPv4 out of its mapped form; IPv6 cut to its first 64 bits. */
export function addressKey(address: string): string {
  if (address.startsWith('::ffff:') && address.includes('.')) return address.slice(7);
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head === '' ? [] : head.split(':');
  const tailGroups = tail === undefined || tail === '' ? 0 : tail.split(':').length;
  if (tail !== undefined) while (groups.length + tailGroups < 8) groups.push('0');
  return `${groups.slice(0, 4).join(':')}::/64`;
}
