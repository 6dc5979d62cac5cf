// Who may open another stream to the TURN server: a total, a share per address and a bound on TLS handshakes under
// way, before a byte is read. IPv6 subscribers (a /64) count as one. Memory: one count per address with a stream.
import { sourceKey } from '../server/refusal-budget.ts';

export interface StreamAdmissionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly maxHandshakes: number;
}

/** Why a stream is turned away. */
export type StreamRefusal = 'banned' | 'connections' | 'connections-per-address' | 'handshakes';

export class StreamAdmission {
  readonly #limits: StreamAdmissionLimits;
  readonly #admits: (address: string) => boolean;
  readonly #perAddress = new Map<string, number>();
  #total = 0;
  #handshakes = 0;

  constructor(limits: StreamAdmissionLimits, admits: (address: string) => boolean = () => true) {
    this.#limits = limits;
    this.#admits = admits;
  }

  get connections(): number {
    return this.#total;
  }

  get handshakes(): number {
    return this.#handshakes;
  }

  /** Counts a stream and its handshake in, or says why it may not come. */
  admit(address: string): StreamRefusal | undefined {
    if (!this.#admits(address)) return 'banned';
    const key = sourceKey(address);
    const held = this.#perAddress.get(key) ?? 0;
    if (this.#total >= this.#limits.maxConnections) return 'connections';
    if (this.#handshakes >= this.#limits.maxHandshakes) return 'handshakes';
    if (held >= this.#limits.maxConnectionsPerAddress) return 'connections-per-address';
    this.#perAddress.set(key, held + 1);
    this.#total += 1;
    this.#handshakes += 1;
    return undefined;
  }

  /** The handshake of an admitted stream is over. Once per stream. */
  handshakeOver(): void {
    this.#handshakes -= 1;
  }

  /** An admitted stream is gone. Once per stream. */
  release(address: string): void {
    const key = sourceKey(address);
    const held = this.#perAddress.get(key) ?? 0;
    if (held > 1) this.#perAddress.set(key, held - 1);
    else this.#perAddress.delete(key);
    this.#total -= 1;
  }
}
