// Cookies are signed, not remembered, so taking one back means remembering since when a user's cookies are void.
// The moment lives in the shared store; each core remembers what it read for `refreshMs`, which is therefore how long
// a revocation at another core may take to arrive. Bounded by `maxUsers`.
import { foldUser } from './user-id.ts';
import type { Store } from './store.ts';

export interface RevocationOptions {
  readonly store: Store;
  readonly refreshMs: number;
  /** At least the longest cookie lifetime. */
  readonly keepMs: number;
  readonly maxUsers: number;
  readonly now: () => number;
}

export interface Revocations {
  /** True when a cookie of `user` issued at `issuedAt` (ms) has been taken back. Rejects when the store fails. */
  isRevoked(user: string, issuedAt: number): boolean | Promise<boolean>;
  revoke(user: string): Promise<void>;
}

export function createRevocations(options: RevocationOptions): Revocations {
  const known = new Map<string, { revokedAt: number; freshUntil: number }>();

  const remember = (user: string, revokedAt: number): void => {
    known.delete(user);
    known.set(user, { revokedAt, freshUntil: options.now() + options.refreshMs });
    const oldest = known.size > options.maxUsers ? known.keys().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
  };

  const read = async (user: string): Promise<number> => {
    const text = await options.store.get(keyOf(user));
    const revokedAt = text === undefined ? 0 : Number(text);
    remember(user, revokedAt);
    return revokedAt;
  };

  return {
    isRevoked(user, issuedAt) {
      const folded = foldUser(user);
      const entry = known.get(folded);
      if (entry !== undefined && options.now() < entry.freshUntil) return issuedAt <= entry.revokedAt;
      return read(folded).then((revokedAt) => issuedAt <= revokedAt);
    },
    async revoke(user) {
      const folded = foldUser(user);
      const now = options.now();
      remember(folded, now);
      await options.store.set(keyOf(folded), String(now), options.keepMs);
    },
  };
}

function keyOf(user: string): string {
  return `revoked:${user}`;
}
