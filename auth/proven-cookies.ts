// Cookies that were proven already: a client shows the same one with every request, and its HMAC costs more than the rest
// of the decision. Only genuine ones are kept, so that a stranger cannot fill it; the end of each is looked at every time.
import type { KeyObject } from 'node:crypto';
import { checkCookie, type CookieResult } from './cookie.ts';

type Genuine = Extract<CookieResult, { kind: 'genuine' }>;

/** Remembered at once, about 250 bytes each; the oldest gives way and is proven anew. */
const maxProven = 20_000;

export class ProvenCookies {
  readonly #keys: readonly KeyObject[];
  readonly #proven = new Map<string, Genuine>();

  constructor(keys: readonly KeyObject[]) {
    this.#keys = keys;
  }

  /** As `checkCookie`, for `value` in `deployment` at wall-clock `now`. */
  check(deployment: string, value: string, now: number): CookieResult {
    const name = `${value} ${deployment}`;
    const known = this.#proven.get(name);
    if (known !== undefined && now < known.claims.expiresAt) return known;
    this.#proven.delete(name);
    const result = checkCookie(this.#keys, deployment, value, now);
    if (result.kind === 'genuine') this.#keep(name, result);
    return result;
  }

  /** Cookies remembered. */
  get size(): number {
    return this.#proven.size;
  }

  #keep(name: string, result: Genuine): void {
    if (this.#proven.size >= maxProven) {
      for (const oldest of this.#proven.keys()) {
        this.#proven.delete(oldest);
        break;
      }
    }
    this.#proven.set(name, result);
  }
}
