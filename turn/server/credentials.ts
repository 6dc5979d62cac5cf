// Who may allocate: configured users, holders of access tokens (token-credentials.ts), and time-limited credentials made by whoever shares a secret with us
// (draft-uberti-behave-turn-rest-00: username `expiry:id`, password base64(HMAC-SHA1(secret, username))).
// A lifetime longer than the limit is refused, so that nobody mints one that never ends (T-011). Keeps nothing.
import { createHmac, hash, type KeyObject } from 'node:crypto';
import { createTokenCredentials, type TokenOptions } from './token-credentials.ts';

/** Whose quota an allocation counts against. */
export interface Owner {
  readonly user: string;
  readonly deployment: string;
}

export interface Credential {
  readonly username: string;
  readonly password: string;
  readonly owner: Owner;
  /** Of an access token: what seals requests instead of the password, and how long it is still good. */
  readonly token?: { readonly key: KeyObject; readonly leftMs: number };
}

/** Why there is no credential of that name; fit for a counter, never told to the peer. */
export type CredentialRefusal = 'unknown-user' | 'expired' | 'lifetime-too-long' | 'bad-token';

export interface CredentialSource {
  /** The credentials of a name: several while a shared secret is being changed. */
  find(username: string): readonly Credential[] | CredentialRefusal;
  /** By USERHASH, SHA-256 over `username:realm` (RFC 8489 §14.4); only names known beforehand can be found. */
  findByHash(hash: Buffer): readonly Credential[] | CredentialRefusal;
  /** By ACCESS-TOKEN and the key id in USERNAME (RFC 7635). */
  findByToken(kid: string, token: Buffer): readonly Credential[] | CredentialRefusal;
  /** THIRD-PARTY-AUTHORIZATION: our name at the authorization server, if tokens are taken. */
  readonly tokenServerName: string | undefined;
}

export interface ConfiguredUser {
  readonly username: string;
  readonly password: string;
  readonly deployment: string;
}

export interface SharedSecret {
  readonly secret: string;
  readonly deployment: string;
}

export interface CredentialOptions {
  readonly realm: string;
  readonly users: readonly ConfiguredUser[];
  /** Tried in order: put the new one first while changing. */
  readonly secrets: readonly SharedSecret[];
  /** Access tokens of RFC 7635; undefined: none are taken. */
  readonly tokens: TokenOptions | undefined;
  /** Longest remaining life of a time-limited credential that is accepted. */
  readonly maxTtlSeconds: number;
  /** How far the issuer's clock may be behind ours. */
  readonly clockSkewSeconds: number;
  /** Seconds since 1970, the clock that credentials are written in. */
  readonly wallSeconds: () => number;
}

/** The source behind a server's configuration. */
export function createCredentials(options: CredentialOptions): CredentialSource {
  const users = new Map(options.users.map((user) => [user.username, configured(user)]));
  const byHash = new Map([...users].map(([name, found]) => [userhash(name, options.realm), found]));
  return {
    find: (username) => users.get(username) ?? timeLimited(username, options),
    findByToken: options.tokens ? createTokenCredentials(options.tokens, options) : () => 'unknown-user',
    tokenServerName: options.tokens?.serverName,
    findByHash: (hash) => byHash.get(hash.toString('hex')) ?? 'unknown-user',
  };
}

function configured({ username, password, deployment }: ConfiguredUser): readonly Credential[] {
  return [{ username, password, owner: { user: username, deployment } }];
}

function userhash(username: string, realm: string): string {
  return hash('sha256', `${username}:${realm}`, 'hex');
}

function timeLimited(
  username: string,
  options: CredentialOptions,
): readonly Credential[] | CredentialRefusal {
  const match = /^(\d{1,12})(?::(.+))?$/s.exec(username);
  if (match === null || options.secrets.length === 0) return 'unknown-user';
  const leftSeconds = Number(match[1]) - options.wallSeconds();
  if (leftSeconds + options.clockSkewSeconds <= 0) return 'expired';
  if (leftSeconds > options.maxTtlSeconds + options.clockSkewSeconds) return 'lifetime-too-long';
  const user = match[2] ?? username;
  return options.secrets.map(({ secret, deployment }) => ({
    username,
    password: timeLimitedPassword(username, secret),
    owner: { user, deployment },
  }));
}

/** Password of a time-limited username. */
export function timeLimitedPassword(username: string, secret: string): string {
  return createHmac('sha1', secret).update(username, 'utf8').digest('base64');
}
