// SRTP key derivation: RFC 3711 §4.3 (AES-CM PRF), RFC 6188 for 256 bits, RFC 7714 §11 with errata 4938.
// Keys leave this file only as KeyObjects; a key derivation rate other than zero is not supported.
import { createCipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import type { Suite } from './srtp-suites.ts';

/** A master key and salt as SDES carries them, and the MKI its sender puts into each packet (empty: none). */
export interface MasterKey {
  readonly key: Buffer;
  readonly salt: Buffer;
  readonly mki?: Buffer;
}

/** Session keys of SRTP or SRTCP. `authentication` is undefined for AEAD suites. */
export interface SessionKeys {
  readonly cipherName: 'aes-128-ctr' | 'aes-128-gcm' | 'aes-256-gcm';
  readonly encryption: KeyObject;
  readonly authentication: KeyObject | undefined;
  readonly salt: Buffer;
}

const LABEL = { rtp: 0, rtcp: 3 } as const;

/** Throws RangeError when a size is not the suite's. */
export function checkMaster(suite: Suite, { key, salt }: MasterKey): void {
  if (key.length !== suite.keyBytes || salt.length !== suite.saltBytes)
    throw new RangeError(`SRTP: master key or salt of the wrong size for ${suite.name}`);
}

/** Derives the session keys of one protocol. Sizes of `master` must be the suite's, or it throws RangeError. */
export function deriveKeys(suite: Suite, master: MasterKey, protocol: 'rtp' | 'rtcp'): SessionKeys {
  checkMaster(suite, master);
  const label = LABEL[protocol];
  return {
    cipherName: cipherName(suite),
    encryption: createSecretKey(pseudoRandom(master, label, suite.keyBytes)),
    authentication: suite.aead ? undefined : createSecretKey(pseudoRandom(master, label + 1, 20)),
    salt: pseudoRandom(master, label + 2, suite.saltBytes),
  };
}

function cipherName(suite: Suite): SessionKeys['cipherName'] {
  if (!suite.aead) return 'aes-128-ctr';
  return suite.keyBytes === 16 ? 'aes-128-gcm' : 'aes-256-gcm';
}

/**
 * The PRF of §4.3.3: AES in counter mode keyed with the master key over zeros, its counter started at
 * (master salt XOR label * 2^48) * 2^16. A 96-bit salt counts as its top 96 of 112 bits (errata 4938).
 */
export function pseudoRandom(master: MasterKey, label: number, bytes: number): Buffer {
  const counter = Buffer.alloc(16);
  master.salt.copy(counter);
  counter[7]! ^= label;
  const cipher = createCipheriv(`aes-${master.key.length * 8}-ctr`, createSecretKey(master.key), counter);
  return cipher.update(Buffer.alloc(bytes));
}
