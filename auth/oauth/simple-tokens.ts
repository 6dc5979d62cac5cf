// Simple OAuth tokens (RFC 6749 §4.2, RFC 6750): opaque, made here after single sign-on, good for one user, deployment
// and device until their end. The store knows them by SHA-256 only, so that who reads it can use none. A device has one:
// a new one takes the place of the last. Two cores that sign one user in at the same moment may lose one of both tokens from
// the user's list; ending everything of a user ends it all the same. Bounded by the store's space and `maxPerUser`.
import { createHash } from 'node:crypto';
import type { Revocations } from '../revocation.ts';
import { foldUser } from '../user-id.ts';
import { deny, type Deny } from '../verdict.ts';

/** What of the shared store this needs. */
export interface SimpleTokenStore {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string, ttlMs: number): Promise<void>;
  delete(key: string): Promise<boolean>;
  entries(prefix?: string): Promise<[key: string, value: string][]>;
}

export interface SimpleTokensOptions {
  readonly store: SimpleTokenStore;
  readonly revocations: Revocations;
  readonly lifetimeMs: number;
  /** How much longer a token lets a phone register. */
  readonly sipExtraMs: number;
  readonly maxPerUser: number;
  /** Wall clock. */
  readonly now: () => number;
  readonly randomBytes: (count: number) => Buffer;
  readonly count: (event: string, reason?: string) => void;
}

export interface SimpleGrant {
  readonly user: string;
  readonly homeCluster: string;
  readonly deployment: string;
  readonly clientId: string;
  readonly deviceId: string;
  /** The session at the identity provider ends then. */
  readonly endsAt: number | undefined;
}

export interface SimpleToken {
  readonly outcome: 'simple-token';
  readonly user: string;
  readonly homeCluster: string;
  readonly deployment: string;
  readonly expiresAt: number;
}

/** What an administrator sees; `id` names the token and opens nothing. */
export interface ListedToken {
  readonly id: string;
  readonly user: string;
  readonly deployment: string;
  readonly deviceId: string;
  readonly clientId: string;
  readonly issued: string;
  readonly expires: string;
}

export interface SimpleTokens {
  /** Rejects when the store fails. */
  issue(grant: SimpleGrant): Promise<{ readonly token: string; readonly expiresAt: number }>;
  /** `deployment` undefined: any. Never rejects. */
  check(deployment: string | undefined, token: string, service: 'https' | 'sip'): Promise<SimpleToken | Deny>;
  /** All, or those of one user. */
  list(user?: string): Promise<ListedToken[]>;
  /** Ends a user's tokens, or the one of an id; how many there were. */
  revoke(which: { readonly user: string } | { readonly id: string }): Promise<number>;
  status(): { readonly issued: number; readonly accepted: number; readonly refused: number };
}

interface Stored {
  readonly user: string;
  readonly homeCluster: string;
  readonly deployment: string;
  readonly clientId: string;
  readonly deviceId: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

interface Held extends Stored {
  readonly key: string;
}

const form = /^vst1_[A-Za-z0-9_-]{43}$/;

/** True for what looks like one of ours; a self-describing token has dots. */
export function isSimpleToken(token: string): boolean {
  return form.test(token);
}

export function createSimpleTokens(options: SimpleTokensOptions): SimpleTokens {
  const { store, now } = options;
  const statistics = { issued: 0, accepted: 0, refused: 0 };

  /** Tokens that the store still has, oldest first. */
  const read = async (keys: readonly string[]): Promise<Held[]> => {
    const texts = await Promise.all(keys.map(async (key) => [key, await store.get(key)] as const));
    return texts.flatMap(([key, text]) =>
      text === undefined ? [] : [{ key, ...(JSON.parse(text) as Stored) }],
    );
  };

  /** A user's own list, so that signing in costs the same however many others have tokens. */
  const heldBy = async (user: string): Promise<Held[]> => {
    const text = await store.get(listOf(user));
    return text === undefined ? [] : read(JSON.parse(text) as string[]);
  };

  const all = async (): Promise<Held[]> => {
    const entries = await store.entries('token:');
    const held = entries.map(([key, value]): Held => ({ key, ...(JSON.parse(value) as Stored) }));
    return held.toSorted((left, right) => left.issuedAt - right.issuedAt);
  };

  /** What stays beside a new token: not the device's last one, nor the oldest of a user who has too many. */
  const makeRoom = async ({ user, deployment, deviceId, clientId }: SimpleGrant): Promise<string[]> => {
    const held = await heldBy(user);
    const others = held.filter(
      (one) => one.deployment !== deployment || one.deviceId !== deviceId || one.clientId !== clientId,
    );
    const kept = others.slice(Math.max(0, others.length - options.maxPerUser + 1));
    if (kept.length < others.length) options.count('simple-tokens-per-user');
    const gone = held.filter((one) => !kept.includes(one));
    await Promise.all(gone.map(({ key }) => store.delete(key)));
    return kept.map(({ key }) => key);
  };

  const judge = async (
    deployment: string | undefined,
    token: string,
    service: 'https' | 'sip',
  ): Promise<SimpleToken | Deny> => {
    if (!isSimpleToken(token)) return deny(401, 'token-malformed', 'it is no simple token');
    try {
      const text = await store.get(keyOf(token));
      if (text === undefined)
        return deny(401, 'token-expired', 'no such simple token: ended, revoked, or never issued');
      const stored = JSON.parse(text) as Stored;
      const end = stored.expiresAt + (service === 'sip' ? options.sipExtraMs : 0);
      if (now() >= end) return deny(401, 'token-expired', 'the simple token is past its end');
      if (deployment !== undefined && stored.deployment !== deployment)
        return deny(401, 'token-deployment', 'the token is of another deployment');
      if (await options.revocations.isRevoked(stored.user, stored.issuedAt))
        return deny(401, 'token-revoked', "the user's tokens have been revoked");
      const { user, homeCluster, expiresAt } = stored;
      return { outcome: 'simple-token', user, homeCluster, deployment: stored.deployment, expiresAt };
    } catch (error) {
      return deny(503, 'store-unavailable', `the store of tokens failed: ${String(error)}`, 1);
    }
  };

  return {
    async issue(grant) {
      const { homeCluster, deployment, clientId, deviceId } = grant;
      const user = foldUser(grant.user);
      const kept = await makeRoom({ ...grant, user });
      const token = `vst1_${options.randomBytes(32).toString('base64url')}`;
      const issuedAt = now();
      const expiresAt = Math.min(issuedAt + options.lifetimeMs, grant.endsAt ?? Number.POSITIVE_INFINITY);
      const stored: Stored = { user, homeCluster, deployment, clientId, deviceId, issuedAt, expiresAt };
      const key = keyOf(token);
      await store.set(key, JSON.stringify(stored), expiresAt + options.sipExtraMs - issuedAt);
      await store.set(listOf(user), JSON.stringify([...kept, key]), options.lifetimeMs + options.sipExtraMs);
      statistics.issued += 1;
      return { token, expiresAt };
    },
    async check(deployment, token, service) {
      const result = await judge(deployment, token, service);
      if (result.outcome === 'deny') statistics.refused += 1;
      else statistics.accepted += 1;
      return result;
    },
    list: async (user) => (await (user === undefined ? all() : heldBy(foldUser(user)))).map(listed),
    async revoke(which) {
      const held = 'user' in which ? await heldBy(foldUser(which.user)) : await all();
      const wanted = 'id' in which ? held.filter((one) => listed(one).id === which.id) : held;
      const gone = await Promise.all(wanted.map(({ key }) => store.delete(key)));
      return gone.filter(Boolean).length;
    },
    status: () => ({ ...statistics }),
  };
}

function keyOf(token: string): string {
  return `token:${createHash('sha256').update(token, 'latin1').digest('base64url')}`;
}

function listOf(user: string): string {
  return `tokens-of:${user}`;
}

function listed({ key, user, deployment, deviceId, clientId, issuedAt, expiresAt }: Held): ListedToken {
  return {
    id: key.slice('token:'.length, 'token:'.length + 16),
    user,
    deployment,
    deviceId,
    clientId,
    issued: new Date(issuedAt).toISOString(),
    expires: new Date(expiresAt).toISOString(),
  };
}
