// Digest authentication of lines, the asking side (RFC 3261 §22, RFC 2617 with qop=auth and MD5, which is what the
// lines of a real node use). Keeps no table: a nonce carries its time under a key that dies with the process.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import {
  paramValue,
  parseAuthHeader,
  SipParseError,
  type HeaderPair,
  type SipRequest,
} from '../../sip/index.ts';

export interface DigestDoorOptions {
  readonly realm: string;
  readonly key: Buffer;
  readonly lifetimeMs: number;
}

export class DigestDoor {
  readonly #options: DigestDoorOptions;

  constructor(options: DigestDoorOptions) {
    this.#options = options;
  }

  /** The challenge to answer with, or undefined when the request proves that it knows the password. */
  check(request: SipRequest, user: string, password: string, nowMs: number): HeaderPair | undefined {
    const given = parseDigest(request.headers.get('authorization') ?? '');
    const age = this.#nonceAgeMs(given.get('nonce') ?? '', nowMs);
    const isRight = this.#isRight(given, request.method, user, password);
    if (isRight && age !== undefined && age <= this.#options.lifetimeMs) return undefined;
    const nonce = this.#nonce(nowMs);
    const stale = isRight && age !== undefined ? ', stale=true' : '';
    const { realm } = this.#options;
    return [
      'WWW-Authenticate',
      `Digest realm="${realm}", nonce="${nonce}", algorithm=MD5, qop="auth"${stale}`,
    ];
  }

  #isRight(given: ReadonlyMap<string, string>, method: string, user: string, password: string): boolean {
    const read = (name: string): string => given.get(name) ?? '';
    if (read('username') !== user || read('realm') !== this.#options.realm || read('qop') !== 'auth')
      return false;
    const secret = md5(`${user}:${this.#options.realm}:${password}`);
    const asked = md5(`${method}:${read('uri')}`);
    const expected = md5(`${secret}:${read('nonce')}:${read('nc')}:${read('cnonce')}:auth:${asked}`);
    return isSame(expected, read('response'));
  }

  #nonce(nowMs: number): string {
    const time = Math.trunc(nowMs).toString(16);
    return `${time}.${createHmac('sha256', this.#options.key).update(time).digest('hex').slice(0, 32)}`;
  }

  /** Undefined for a nonce that this door did not make. */
  #nonceAgeMs(nonce: string, nowMs: number): number | undefined {
    const madeAt = Number.parseInt(nonce.split('.')[0] ?? '', 16);
    if (!Number.isSafeInteger(madeAt) || !isSame(this.#nonce(madeAt), nonce)) return undefined;
    return nowMs - madeAt;
  }
}

/** The parameters of a Digest header, names in lower case; empty for another scheme or one that cannot be read. */
export function parseDigest(header: string): ReadonlyMap<string, string> {
  try {
    const { scheme, params } = parseAuthHeader(header);
    if (scheme !== 'digest') return new Map();
    return new Map(params.map(({ name }) => [name.toLowerCase(), paramValue(params, name) ?? '']));
  } catch (error) {
    if (error instanceof SipParseError) return new Map();
    throw error;
  }
}

function md5(text: string): string {
  return createHash('md5').update(text, 'latin1').digest('hex');
}

function isSame(left: string, right: string): boolean {
  return left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right));
}
