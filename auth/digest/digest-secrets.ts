// What core needs to check a digest: a hash of each user's password for each edge's realm, made when the password was
// confirmed at an HTTPS sign-in (mra-wire §3.5) and forgotten with that confirmation. In memory only, never in the store
// and never at edge. Bounded by `maxUsers`; the longest unconfirmed goes first.
import type { Credentials } from '../basic.ts';
import { foldUser } from '../user-id.ts';
import { type DigestAlgorithm, secretOf } from './digest-credentials.ts';

export interface DigestSecretsOptions {
  readonly algorithms: readonly DigestAlgorithm[];
  /** Names under which edges challenge. */
  readonly realms: () => readonly string[];
  readonly ttlMs: number;
  readonly maxUsers: number;
  readonly now: () => number;
}

export interface DigestSecrets {
  /** Call with credentials that were just confirmed. */
  remember(deployment: string, credentials: Credentials): void;
  /** Undefined for a user who has not signed in. `user` exactly as in the digest. */
  find(deployment: string, user: string, realm: string, algorithm: DigestAlgorithm): string | undefined;
  forget(user: string): void;
  readonly size: number;
}

export function createDigestSecrets(options: DigestSecretsOptions): DigestSecrets {
  const users = new Map<string, { readonly secrets: ReadonlyMap<string, string>; readonly until: number }>();
  const keyOf = (deployment: string, user: string): string => `${deployment}\n${foldUser(user)}`;
  return {
    remember(deployment, { user, password }) {
      const key = keyOf(deployment, user);
      users.delete(key);
      const oldest = users.keys().next().value;
      if (users.size >= options.maxUsers && oldest !== undefined) users.delete(oldest);
      const secrets = new Map<string, string>();
      // A client may spell its user as it signed in or as call control does.
      for (const name of new Set([user, foldUser(user)]))
        for (const realm of options.realms())
          for (const algorithm of options.algorithms)
            secrets.set(`${algorithm}\n${realm}\n${name}`, secretOf(algorithm, name, realm, password));
      users.set(key, { secrets, until: options.now() + options.ttlMs });
    },
    find(deployment, user, realm, algorithm) {
      const key = keyOf(deployment, user);
      const entry = users.get(key);
      if (entry === undefined) return undefined;
      if (entry.until > options.now()) return entry.secrets.get(`${algorithm}\n${realm}\n${user}`);
      users.delete(key);
      return undefined;
    },
    forget(user) {
      const end = `\n${foldUser(user)}`;
      for (const key of users.keys()) if (key.endsWith(end)) users.delete(key);
    },
    get size() {
      return users.size;
    },
  };
}
