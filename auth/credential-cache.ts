// Credentials that call control has confirmed, so that it is not asked at each request. Only confirmations are kept:
// a refusal is forgotten at once, or a corrected password would not work. What is kept is a keyed hash (the key is
// random and dies with the process), never the password. Bounded by `maxEntries`, the least recently used goes first.
import { createHmac, generateKeySync, type KeyObject } from 'node:crypto';
import type { Credentials } from './basic.ts';
import { foldUser } from './user-id.ts';

/** Who confirmed credentials belong to; `homeCluster` is the configured name of the user's cluster. */
export interface Account {
  /** As call control spells it, folded. */
  readonly user: string;
  readonly homeCluster: string;
}

export interface CredentialCacheOptions {
  /** How long a confirmation counts. */
  readonly ttlMs: number;
  /** How often expired entries are thrown away. */
  readonly cleanupMs: number;
  readonly maxEntries: number;
  readonly now: () => number;
  readonly count: (event: string, reason?: string) => void;
}

export interface CredentialCache {
  /** Opaque key for {@link get} and {@link set}. */
  key(deployment: string, credentials: Credentials): string;
  get(key: string): Account | undefined;
  set(key: string, account: Account): void;
  /** Forgets every confirmation of one user. */
  forget(user: string): void;
  readonly size: number;
}

export function createCredentialCache(options: CredentialCacheOptions): CredentialCache {
  const secret = generateKeySync('hmac', { length: 256 });
  const entries = new Map<string, { account: Account; expiresAt: number }>();
  let cleanAt = options.now() + options.cleanupMs;

  const clean = (now: number): void => {
    if (now < cleanAt) return;
    cleanAt = now + options.cleanupMs;
    for (const [key, entry] of entries) if (entry.expiresAt <= now) entries.delete(key);
  };

  return {
    key: (deployment, credentials) => hashOf(secret, deployment, credentials),
    get(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      entries.delete(key);
      if (entry.expiresAt <= options.now()) return undefined;
      entries.set(key, entry);
      return entry.account;
    },
    set(key, account) {
      const now = options.now();
      clean(now);
      entries.delete(key);
      entries.set(key, { account, expiresAt: now + options.ttlMs });
      if (entries.size <= options.maxEntries) return;
      const oldest = entries.keys().next().value;
      if (oldest !== undefined) entries.delete(oldest);
      options.count('credential-cache-full');
    },
    forget(user) {
      const folded = foldUser(user);
      for (const [key, entry] of entries) if (entry.account.user === folded) entries.delete(key);
    },
    get size() {
      return entries.size;
    },
  };
}

// Each field goes in with its length, so that no two triples hash alike.
function hashOf(secret: KeyObject, deployment: string, credentials: Credentials): string {
  const hmac = createHmac('sha256', secret);
  for (const field of [deployment, foldUser(credentials.user), credentials.password]) {
    hmac.update(`${Buffer.byteLength(field, 'utf8')}:`).update(field, 'utf8');
  }
  return hmac.digest('base64');
}
