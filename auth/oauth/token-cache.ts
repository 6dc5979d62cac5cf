// Tokens found good, so that the same one is not opened at each request. Keyed by a SHA-256 of the token, never by the
// token: what is remembered opens nothing. Bounded by `maxTokens`; the oldest goes first, and costs its owner one
// verification. Only what was good is kept.
import { hash } from 'node:crypto';

export interface TokenCache<T> {
  /** Opaque key of a token. */
  key(token: string): string;
  get(key: string): T | undefined;
  set(key: string, value: T): void;
  delete(key: string): void;
  clear(): void;
  readonly size: number;
}

export function createTokenCache<T>(maxTokens: number, count: (event: string) => void): TokenCache<T> {
  const entries = new Map<string, T>();
  return {
    key: (token) => hash('sha256', token, 'base64url'),
    get: (key) => entries.get(key),
    set(key, value) {
      entries.set(key, value);
      if (entries.size <= maxTokens) return;
      const oldest = entries.keys().next().value;
      if (oldest !== undefined) entries.delete(oldest);
      count('token-cache-full');
    },
    delete: (key) => void entries.delete(key),
    clear: () => entries.clear(),
    get size() {
      return entries.size;
    },
  };
}
