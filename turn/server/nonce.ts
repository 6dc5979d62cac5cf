// Nonces of the long-term mechanism (RFC 8489 §9.2) without memory: a time and an HMAC over it and the client's
// address, so that a flood of requests makes us hold nothing (T-008). Each begins with the nonce cookie and the
// security features of §9.2 and §18.1, by which a client notices that somebody took PASSWORD-ALGORITHMS away.
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';

/** "obMatJos2" and, in base64, 24 feature bits: password algorithms (bit 0) and username anonymity (bit 1). */
const PREFIX = `obMatJos2${Buffer.from([0xc0, 0, 0]).toString('base64')}`;
const TIME_BYTES = 4;
/** 64 bits: who guesses one has won a nonce, which still proves nothing without the key. */
const MAC_BYTES = 8;

export interface NonceOptions {
  /** Random, of this process: a restart makes old nonces stale, which costs a client one round trip. */
  readonly secret: Buffer;
  readonly lifetimeMs: number;
}

export class NonceIssuer {
  readonly #secret: KeyObject;
  readonly #lifetimeMs: number;

  constructor(options: NonceOptions) {
    this.#secret = createSecretKey(options.secret);
    this.#lifetimeMs = options.lifetimeMs;
  }

  /** A fresh nonce for a client's IP address. Ports may differ: a client opens several with one nonce. */
  issue(address: string, now: number): string {
    const time = Buffer.alloc(TIME_BYTES);
    time.writeUInt32BE(Math.trunc(now / 1000) >>> 0);
    return PREFIX + Buffer.concat([time, this.#mac(time, address)]).toString('base64url');
  }

  /** True when we issued it to this address and it has not aged out. Constant time in the nonce's bytes. */
  isFresh(nonce: Buffer, address: string, now: number): boolean {
    const text = nonce.toString('latin1');
    if (!text.startsWith(PREFIX)) return false;
    const bytes = Buffer.from(text.slice(PREFIX.length), 'base64url');
    if (bytes.length !== TIME_BYTES + MAC_BYTES || nonce.length !== PREFIX.length + 16) return false;
    const time = bytes.subarray(0, TIME_BYTES);
    if (!timingSafeEqual(this.#mac(time, address), bytes.subarray(TIME_BYTES))) return false;
    const ageMs = Math.trunc(now / 1000) * 1000 - time.readUInt32BE() * 1000;
    return ageMs >= 0 && ageMs <= this.#lifetimeMs;
  }

  #mac(time: Buffer, address: string): Buffer {
    const mac = createHmac('sha256', this.#secret).update(time).update(address).digest();
    return mac.subarray(0, MAC_BYTES);
  }
}
