// The X-Auth cookie, RFC 6265: proof that a user signed in at one core, good at every core with the same key. It is
// signed, not remembered; bound to user, deployment and lifetime; presence alone opens nothing. A client can hold,
// lose or forge it; only the tag decides, compared in constant time.
//
//   0        1            7            10       14                          30
//   +--------+------------+------------+--------+---------------------------+---------------------+
//   | 0x01   | issued ms  | lifetime s | random | HMAC-SHA-256, first 16 B  | user, UTF-8, 0-pad  |
//   +--------+------------+------------+--------+---------------------------+---------------------+
//   the tag covers a label, the deployment and every other byte; 48 bytes (64 characters) or more for long names
import { createHmac, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { foldUser, isUserId } from './user-id.ts';

/** What a genuine cookie says. */
export interface CookieClaims {
  readonly user: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export type CookieResult =
  | { readonly kind: 'genuine'; readonly claims: CookieClaims }
  | { readonly kind: 'forged' }
  | { readonly kind: 'expired' };

const version = 1;
const tagStart = 14;
const tagEnd = 30;
const leastBytes = 48;
const mostCharacters = 720;
/** A cookie from a core whose clock is ahead of ours is taken up to this far from the future. */
const skewMs = 120_000;

/** A new cookie value for `user`; `lifetimeS` up to 604,800. */
export function mintCookie(
  key: KeyObject,
  deployment: string,
  user: string,
  now: number,
  lifetimeS: number,
): string {
  const name = Buffer.from(foldUser(user), 'utf8');
  const bytes = Buffer.alloc(Math.max(leastBytes, Math.ceil((tagEnd + name.length) / 3) * 3));
  bytes[0] = version;
  bytes.writeUIntBE(now, 1, 6);
  bytes.writeUIntBE(lifetimeS, 7, 3);
  randomBytes(tagStart - 10).copy(bytes, 10);
  name.copy(bytes, tagEnd);
  tagOf(key, deployment, bytes).copy(bytes, tagStart);
  return bytes.toString('base64url');
}

/** Reads a cookie value under any of `keys` (the newest first). */
export function checkCookie(
  keys: readonly KeyObject[],
  deployment: string,
  value: string,
  now: number,
): CookieResult {
  if (value.length < 64 || value.length > mostCharacters || !/^[A-Za-z0-9_-]+$/.test(value)) return forged;
  const bytes = Buffer.from(value, 'base64url');
  if (bytes.length % 3 !== 0 || bytes.length * 4 !== value.length * 3) return forged;
  const tag = bytes.subarray(tagStart, tagEnd);
  if (!keys.some((key) => timingSafeEqual(tagOf(key, deployment, bytes), tag))) return forged;
  return claimsOf(bytes, now);
}

function claimsOf(bytes: Buffer, now: number): CookieResult {
  const padding = bytes.indexOf(0, tagEnd);
  const user = bytes.toString('utf8', tagEnd, padding === -1 ? bytes.length : padding);
  const issuedAt = bytes.readUIntBE(1, 6);
  const expiresAt = issuedAt + bytes.readUIntBE(7, 3) * 1000;
  if (bytes[0] !== version || !isUserId(user)) return forged;
  if (now >= expiresAt || issuedAt > now + skewMs) return { kind: 'expired' };
  return { kind: 'genuine', claims: { user, issuedAt, expiresAt } };
}

function tagOf(key: KeyObject, deployment: string, bytes: Buffer): Buffer {
  return createHmac('sha256', key)
    .update(`viaduct x-auth ${Buffer.byteLength(deployment, 'utf8')}:${deployment}`)
    .update(bytes.subarray(0, tagStart))
    .update(bytes.subarray(tagEnd))
    .digest()
    .subarray(0, tagEnd - tagStart);
}

const forged: CookieResult = { kind: 'forged' };
