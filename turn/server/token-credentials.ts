// Credentials out of access tokens (RFC 7635): the key id in USERNAME chooses the key that the token was sealed with, the
// token brings the key that seals the request. Several keys are good at once, so that they can be changed without a gap.
// A token outlives neither its own lifetime nor the limit of all credentials (T-011). Keeps nothing.
import { createSecretKey, hash, type KeyObject } from 'node:crypto';
import { openAccessToken, TOKEN_KEY_BYTES, type TokenAlgorithm } from './access-token.ts';
import type { Credential, CredentialRefusal } from './credentials.ts';

export interface TokenKey {
  /** Key id: what the client sends as USERNAME. */
  readonly kid: string;
  /** Shared with the authorization server. */
  readonly key: Buffer;
  readonly algorithm: TokenAlgorithm;
  readonly deployment: string;
}

export interface TokenOptions {
  /** This server as the authorization server knows it; told to clients. */
  readonly serverName: string;
  readonly keys: readonly TokenKey[];
}

const COTURN_KEY_BYTES = 16;

interface Limits {
  readonly maxTtlSeconds: number;
  readonly clockSkewSeconds: number;
  readonly wallSeconds: () => number;
}

/** Finds the credential of a token. @throws TypeError for a key of the wrong length. */
export function createTokenCredentials(
  { serverName, keys }: TokenOptions,
  limits: Limits,
): (kid: string, token: Buffer) => readonly Credential[] | CredentialRefusal {
  const byKid = new Map(keys.map((entry) => [entry.kid, { ...entry, secret: secretOf(entry) }]));
  return (kid, token) => {
    const found = byKid.get(kid);
    if (found === undefined) return 'unknown-user';
    const opened = openAccessToken(token, found.secret, found.algorithm, serverName);
    if (opened === undefined) return 'bad-token';
    const { macKey, issuedAt, lifetimeSeconds } = opened;
    const now = limits.wallSeconds();
    const leftSeconds = issuedAt + lifetimeSeconds - now;
    if (leftSeconds + limits.clockSkewSeconds <= 0) return 'expired';
    if (issuedAt > now + limits.clockSkewSeconds) return 'bad-token';
    if (leftSeconds > limits.maxTtlSeconds + limits.clockSkewSeconds) return 'lifetime-too-long';
    const holder = hash('sha256', macKey, 'hex').slice(0, 16);
    const owner = { user: `${kid} ${holder}`, deployment: found.deployment };
    const leftMs = (leftSeconds + limits.clockSkewSeconds) * 1000;
    return sealsOf(macKey).map((bytes) => ({
      username: kid,
      password: '',
      owner,
      token: { key: createSecretKey(bytes), leftMs },
    }));
  };
}

/** COMPAT(coturn 4.6): its client seals with SHA-1 by the first 16 bytes of the key, as long as those of passwords are. */
function sealsOf(macKey: Buffer): Buffer[] {
  return macKey.length > COTURN_KEY_BYTES ? [macKey, macKey.subarray(0, COTURN_KEY_BYTES)] : [macKey];
}

function secretOf({ kid, key, algorithm }: TokenKey): KeyObject {
  if (key.length !== TOKEN_KEY_BYTES[algorithm]) {
    throw new TypeError(
      `key ${kid} has ${key.length} bytes; ${algorithm} takes ${TOKEN_KEY_BYTES[algorithm]}`,
    );
  }
  return createSecretKey(key);
}
