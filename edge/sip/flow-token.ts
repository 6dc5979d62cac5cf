// Flow tokens (RFC 5626 §5.2): an opaque name for one client connection that core can send back to say "this
// connection and no other". 8 bytes of connection number, 12 bytes of HMAC-SHA-256 under a key that lives as long as
// this process; no address inside. Trust: a token that comes back is looked up, never decoded for meaning.
import { createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';

const idBytes = 8;
const tagBytes = 12;
/** Length of a printed token: 20 bytes in base64url. */
export const flowTokenLength = 27;

/** The token of connection number `id`; the same number under another key gives another token. */
export function printFlowToken(key: KeyObject, id: number): string {
  const token = Buffer.alloc(idBytes + tagBytes);
  token.writeBigUInt64BE(BigInt(id));
  flowTag(key, token.subarray(0, idBytes)).copy(token, idBytes);
  return token.toString('base64url');
}

/** What a token says about itself: ours (and the number), or not made under this key. Constant time in the tag. */
export function checkFlowToken(key: KeyObject, token: string): number | undefined {
  if (token.length !== flowTokenLength) return undefined;
  const bytes = Buffer.from(token, 'base64url');
  if (bytes.length !== idBytes + tagBytes || bytes.toString('base64url') !== token) return undefined;
  const id = bytes.subarray(0, idBytes);
  if (!timingSafeEqual(flowTag(key, id), bytes.subarray(idBytes))) return undefined;
  return Number(id.readBigUInt64BE());
}

function flowTag(key: KeyObject, id: Buffer): Buffer {
  return createHmac('sha256', key).update(id).digest().subarray(0, tagBytes);
}
