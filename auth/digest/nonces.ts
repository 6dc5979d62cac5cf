// Nonces of digest challenges. Making one keeps nothing: time and seal are in it, so that strangers cost no memory. Only a
// nonce that good credentials came with is remembered, for its count (RFC 7616 §3.4): each count once and rising, at
// most `maxUses`, for `lifetimeMs`. When the oldest must make room, what is as old counts as stale.
import { createHmac, generateKeySync, randomBytes, timingSafeEqual } from 'node:crypto';

export interface NonceOptions {
  readonly lifetimeMs: number;
  readonly maxUses: number;
  /** Nonces in use at once. */
  readonly maxNonces: number;
  /** Wall clock. */
  readonly now: () => number;
}

export interface Nonces {
  create(realm: string): string;
  /** `stale`: ours or not, the client may try again with a fresh one. Asked before credentials are judged. */
  isFresh(nonce: string, realm: string): boolean;
  /** Whether good credentials have come with it before: only their owner knows it. */
  isUsed(nonce: string): boolean;
  /** Takes the count of credentials that are good; false when it has been used. */
  use(nonce: string, nc: string): boolean;
  readonly size: number;
}

const SEAL_BYTES = 16;
/** Milliseconds. */
const TIME_BYTES = 6;
/** Two challenges of one millisecond differ. */
const SALT_BYTES = 6;
const STAMP_BYTES = TIME_BYTES + SALT_BYTES;

export function createNonces({ lifetimeMs, maxUses, maxNonces, now }: NonceOptions): Nonces {
  const key = generateKeySync('hmac', { length: 256 });
  /** Last count of a nonce, in the order of first use. */
  const used = new Map<string, { last: number; uses: number; issuedAt: number }>();
  let forgottenUpTo = 0;
  const seal = (stamp: Buffer, realm: string): Buffer =>
    createHmac('sha256', key).update(stamp).update(realm, 'utf8').digest().subarray(0, SEAL_BYTES);
  const issuedAt = (nonce: string): number => Buffer.from(nonce, 'base64url').readUIntBE(0, TIME_BYTES);

  return {
    create(realm) {
      const stamp = Buffer.concat([Buffer.alloc(TIME_BYTES), randomBytes(SALT_BYTES)]);
      stamp.writeUIntBE(Math.floor(now()), 0, TIME_BYTES);
      return Buffer.concat([stamp, seal(stamp, realm)]).toString('base64url');
    },
    isFresh(nonce, realm) {
      const bytes = Buffer.from(nonce, 'base64url');
      if (bytes.length !== STAMP_BYTES + SEAL_BYTES || bytes.toString('base64url') !== nonce) return false;
      const stamp = bytes.subarray(0, STAMP_BYTES);
      if (!timingSafeEqual(bytes.subarray(STAMP_BYTES), seal(stamp, realm))) return false;
      const at = issuedAt(nonce);
      if (at > now() || now() - at >= lifetimeMs) return false;
      return used.has(nonce) || at > forgottenUpTo;
    },
    isUsed: (nonce) => used.has(nonce),
    use(nonce, nc) {
      const count = Number.parseInt(nc, 16);
      const entry = used.get(nonce);
      if (entry === undefined) {
        if (count === 0) return false;
        if (used.size >= maxNonces) forgetOldest();
        used.set(nonce, { last: count, uses: 1, issuedAt: issuedAt(nonce) });
        return true;
      }
      if (count <= entry.last || entry.uses >= maxUses) return false;
      entry.last = count;
      entry.uses += 1;
      return true;
    },
    get size() {
      return used.size;
    },
  };

  function forgetOldest(): void {
    for (const [nonce, entry] of used) {
      const isOver = now() - entry.issuedAt >= lifetimeMs;
      if (!isOver && used.size < maxNonces) return;
      if (!isOver) forgottenUpTo = Math.max(forgottenUpTo, entry.issuedAt);
      used.delete(nonce);
    }
  }
}
