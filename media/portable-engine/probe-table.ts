// Sources that a flow does not accept yet, each under a random token, and the trickle they may send.
// Trusts nothing: any address may fill it, so it is small, the one heard of longest ago gives way, and one token
// bucket bounds what the whole flow lets through. Under a flood the true source keeps its share of the trickle.
import type { TransportAddress } from '../../turn/index.ts';

export interface ProbeTableOptions {
  readonly maxSources: number;
  readonly packetsPerSecond: number;
  /** A random 32-bit number. */
  readonly randomToken: () => number;
}

export class ProbeTable {
  readonly #options: ProbeTableOptions;
  /** Key `address port`; least recently heard first. */
  readonly #sources = new Map<string, { readonly token: number; readonly source: TransportAddress }>();
  #allowance: number;
  #refilledAt = 0;

  constructor(options: ProbeTableOptions) {
    this.#options = options;
    this.#allowance = options.packetsPerSecond;
  }

  /** The token under which this packet may go on, or undefined when the trickle is used up. */
  admit(address: string, port: number, now: number): number | undefined {
    const { packetsPerSecond } = this.#options;
    const elapsedMs = Math.max(0, now - this.#refilledAt);
    this.#allowance = Math.min(packetsPerSecond, this.#allowance + (elapsedMs * packetsPerSecond) / 1000);
    this.#refilledAt = now;
    if (this.#allowance < 1) return undefined;
    this.#allowance -= 1;
    return this.#remember(`${address} ${port}`, { address, port });
  }

  /** The address behind a token, while it is remembered. */
  source(token: number): TransportAddress | undefined {
    for (const entry of this.#sources.values()) if (entry.token === token) return entry.source;
    return undefined;
  }

  get size(): number {
    return this.#sources.size;
  }

  #remember(key: string, source: TransportAddress): number {
    const entry = this.#sources.get(key) ?? { token: this.#freshToken(), source };
    this.#sources.delete(key);
    this.#sources.set(key, entry);
    if (this.#sources.size > this.#options.maxSources) {
      this.#sources.delete(this.#sources.keys().next().value!);
    }
    return entry.token;
  }

  #freshToken(): number {
    let token = this.#options.randomToken();
    while (this.source(token) !== undefined) token = this.#options.randomToken();
    return token;
  }
}
