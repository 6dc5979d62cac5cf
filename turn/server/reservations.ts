// Ports kept for a second allocation (EVEN-PORT with R, RFC 8656 §7.2 step 8): token → port, for a short time and for
// the same user only. Bounded by the number of allocations: each makes one at most and takes it along when it ends.
import type { Owner } from './credentials.ts';
import type { RelayAddress } from './turn-options.ts';

export interface Reservation {
  readonly address: RelayAddress;
  readonly port: number;
  readonly owner: Owner;
  readonly expiresAt: number;
}

export const RESERVATION_TOKEN_BYTES = 8;

export class Reservations {
  readonly #byToken = new Map<string, Reservation>();

  get size(): number {
    return this.#byToken.size;
  }

  keep(token: Buffer, reservation: Reservation): void {
    this.#byToken.set(token.toString('hex'), reservation);
  }

  /** Redeems a token once; undefined when there is none of this user, or it is too late. */
  redeem(token: Buffer, owner: Owner, now: number): Reservation | undefined {
    const key = token.toString('hex');
    const found = this.#byToken.get(key);
    if (found === undefined || found.expiresAt <= now) return undefined;
    if (found.owner.user !== owner.user || found.owner.deployment !== owner.deployment) return undefined;
    this.#byToken.delete(key);
    return found;
  }

  /** Takes one out that nobody may redeem any more. */
  cancel(token: Buffer): Reservation | undefined {
    const key = token.toString('hex');
    const found = this.#byToken.get(key);
    this.#byToken.delete(key);
    return found;
  }

  /** Takes out what nobody came for. */
  expire(now: number): Reservation[] {
    const late = [...this.#byToken].filter(([, { expiresAt }]) => expiresAt <= now);
    for (const [key] of late) this.#byToken.delete(key);
    return late.map(([, reservation]) => reservation);
  }
}
