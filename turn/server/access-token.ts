// Self-contained access tokens (RFC 7635 §6.2): bytes ↔ what an authorization server sealed for us. AES-GCM with the name
// of this server as associated data, so that a token for another server is none here. Keeps nothing; a token is taken
// apart only after its tag is good.
//
//  | length, 2 | nonce | AEAD( length, 2 | mac_key | timestamp, 8 | lifetime, 4 ), tag of 16 |
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';

export type TokenAlgorithm = 'A256GCM' | 'A128GCM';

/** What a token says. */
export interface AccessToken {
  /** Seals the client's requests. */
  readonly macKey: Buffer;
  /** Seconds since 1970. */
  readonly issuedAt: number;
  readonly lifetimeSeconds: number;
}

/** Bytes of a key. */
export const TOKEN_KEY_BYTES: Readonly<Record<TokenAlgorithm, number>> = { A256GCM: 32, A128GCM: 16 };
const CIPHER = { A256GCM: 'aes-256-gcm', A128GCM: 'aes-128-gcm' } as const;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** HMAC-SHA1 wants 20 bytes, HMAC-SHA256 32; more than a block of either adds nothing. */
const MIN_MAC_KEY_BYTES = 16;
const MAX_MAC_KEY_BYTES = 64;
/** timestamp and lifetime. */
const TIME_BYTES = 12;
/** The timestamp's last 16 bits are 1/64000 of a second. */
const FRACTION = 65_536;

/** Opens a token; undefined when it is not whole, not sealed by `key` for `serverName`, or has a key of an odd length. */
export function openAccessToken(
  token: Buffer,
  key: KeyObject,
  algorithm: TokenAlgorithm,
  serverName: string,
): AccessToken | undefined {
  const most = 2 + NONCE_BYTES + 2 + MAX_MAC_KEY_BYTES + TIME_BYTES + TAG_BYTES;
  const least = most - MAX_MAC_KEY_BYTES + MIN_MAC_KEY_BYTES;
  if (token.length < least || token.length > most || token.readUInt16BE(0) !== NONCE_BYTES) return undefined;
  const sealed = token.subarray(2 + NONCE_BYTES);
  const decipher = createDecipheriv(CIPHER[algorithm], key, token.subarray(2, 2 + NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(serverName));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  let block: Buffer;
  try {
    block = Buffer.concat([decipher.update(sealed.subarray(0, -TAG_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
  const macKeyBytes = block.readUInt16BE(0);
  if (block.length !== 2 + macKeyBytes + TIME_BYTES) return undefined;
  const at = 2 + macKeyBytes;
  return {
    macKey: block.subarray(2, at),
    issuedAt: Number(block.readBigUInt64BE(at)) / FRACTION,
    lifetimeSeconds: block.readUInt32BE(at + 8),
  };
}

/** Seals a token, as an authorization server does. `nonce` must never come twice with one key. */
export function sealAccessToken(
  { macKey, issuedAt, lifetimeSeconds }: AccessToken,
  key: KeyObject,
  algorithm: TokenAlgorithm,
  serverName: string,
  nonce: Buffer,
): Buffer {
  const block = Buffer.alloc(2 + macKey.length + TIME_BYTES);
  block.writeUInt16BE(macKey.length, 0);
  macKey.copy(block, 2);
  block.writeBigUInt64BE(BigInt(Math.trunc(issuedAt * FRACTION)), 2 + macKey.length);
  block.writeUInt32BE(lifetimeSeconds, 10 + macKey.length);
  const cipher = createCipheriv(CIPHER[algorithm], key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(serverName));
  const sealed = [cipher.update(block), cipher.final(), cipher.getAuthTag()];
  const head = Buffer.alloc(2);
  head.writeUInt16BE(nonce.length);
  return Buffer.concat([head, nonce, ...sealed]);
}
