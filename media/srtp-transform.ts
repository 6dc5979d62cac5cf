// The two SRTP transforms as functions of key, index and bytes: AES-CM with HMAC-SHA1 (RFC 3711 §4.1, §4.2)
// and AES-GCM (RFC 7714 §8, §9). No memory of past packets, no replay check: that is srtp.ts.
import { createCipheriv, createDecipheriv, createHmac, timingSafeEqual, type KeyObject } from 'node:crypto';
import type { SessionKeys } from './srtp-keys.ts';

/** Bit 31 of the word after an SRTCP packet: the rest of the word is the index (RFC 3711 §3.4). */
export const ENCRYPTED_FLAG = 0x80000000;
const GCM_TAG_BYTES = 16;

/** AES-CM counter start of §4.1.1: salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16. */
export function counterBlock(salt: Buffer, ssrc: number, index: number): Buffer {
  const block = Buffer.alloc(16);
  salt.copy(block);
  xorUInt32(block, 4, ssrc);
  xorUInt32(block, 8, Math.floor(index / 65536));
  block[12]! ^= (index >>> 8) & 0xff;
  block[13]! ^= index & 0xff;
  return block;
}

/** GCM nonce of RFC 7714 §8.1: | 0 0 | SSRC | ROC | SEQ | XOR salt. */
export function rtpNonce(salt: Buffer, ssrc: number, index: number): Buffer {
  const nonce = Buffer.from(salt);
  xorUInt32(nonce, 2, ssrc);
  xorUInt32(nonce, 6, Math.floor(index / 65536));
  nonce[10]! ^= (index >>> 8) & 0xff;
  nonce[11]! ^= index & 0xff;
  return nonce;
}

/** GCM nonce of RFC 7714 §9.1: | 0 0 | SSRC | 0 0 | 0 + SRTCP index | XOR salt. */
export function rtcpNonce(salt: Buffer, ssrc: number, index: number): Buffer {
  const nonce = Buffer.from(salt);
  xorUInt32(nonce, 2, ssrc);
  xorUInt32(nonce, 8, index);
  return nonce;
}

function xorUInt32(block: Buffer, offset: number, value: number): void {
  block.writeUInt32BE((block.readUInt32BE(offset) ^ value) >>> 0, offset);
}

/** Encrypts or decrypts `input` by AES-CM into `out` at `at`; the two are the same operation. */
export function counterMode(
  keys: SessionKeys,
  counter: Buffer,
  input: Buffer,
  out: Buffer,
  at: number,
): void {
  if (input.length > 0) out.set(createCipheriv('aes-128-ctr', keys.encryption, counter).update(input), at);
}

/** HMAC-SHA1 over `bytes` and a trailing 32-bit word (the rollover counter), or without it. */
export function authenticate(key: KeyObject, bytes: Buffer, trailer?: number): Buffer {
  const hmac = createHmac('sha1', key).update(bytes);
  if (trailer !== undefined) hmac.update(word(trailer));
  return hmac.digest();
}

/** Constant-time comparison of the first bytes of a full digest with a tag off the wire. */
export function tagMatches(digest: Buffer, tag: Buffer): boolean {
  return timingSafeEqual(digest.subarray(0, tag.length), tag);
}

/** GCM: writes ciphertext and tag into `out` at `at`. `associated` are the chunks of the AAD in order. */
export function sealGcm(
  keys: SessionKeys,
  nonce: Buffer,
  associated: Buffer,
  input: Buffer,
  out: Buffer,
  at: number,
): void {
  if (keys.cipherName === 'aes-128-ctr') throw new TypeError('SRTP: GCM asked of a counter-mode key');
  const cipher = createCipheriv(keys.cipherName, keys.encryption, nonce, { authTagLength: GCM_TAG_BYTES });
  cipher.setAAD(associated);
  if (input.length > 0) out.set(cipher.update(input), at);
  cipher.final();
  out.set(cipher.getAuthTag(), at + input.length);
}

/** GCM: the plaintext of `input`, or undefined when the tag does not match. */
export function openGcm(
  keys: SessionKeys,
  nonce: Buffer,
  associated: Buffer,
  input: Buffer,
  tag: Buffer,
): Buffer | undefined {
  if (keys.cipherName === 'aes-128-ctr') throw new TypeError('SRTP: GCM asked of a counter-mode key');
  const cipher = createDecipheriv(keys.cipherName, keys.encryption, nonce, { authTagLength: GCM_TAG_BYTES });
  cipher.setAAD(associated);
  cipher.setAuthTag(tag);
  const plain = cipher.update(input);
  try {
    cipher.final();
    return plain;
  } catch {
    return undefined; // node:crypto has one way to say that the tag is wrong: it throws
  }
}

/** Four bytes, most significant first. */
export function word(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
