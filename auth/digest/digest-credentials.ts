// Digest credentials (RFC 7616 §3.4, RFC 3261 §22.4) of one header value, read strictly: a name twice, a value without its
// end or a missing field is no credentials. Sizes are bounded by the SIP message they come in.
import { createHash } from 'node:crypto';

export const ALGORITHMS = { MD5: 'md5', 'SHA-256': 'sha256' } as const;
export type DigestAlgorithm = keyof typeof ALGORITHMS;

export interface DigestCredentials {
  readonly username: string;
  readonly realm: string;
  readonly nonce: string;
  readonly uri: string;
  readonly response: string;
  readonly algorithm: DigestAlgorithm;
  readonly cnonce: string;
  /** Eight hexadecimal digits, as sent. */
  readonly nc: string;
}

const parameter = /\s*([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))\s*(?:,|$)/y;

/** What a header value holds; undefined when it is no complete Digest with `qop=auth`. */
export function parseDigest(value: string): DigestCredentials | undefined {
  const scheme = /^\s*digest\s+/i.exec(value)?.[0];
  if (scheme === undefined) return undefined;
  const fields = readParameters(value, scheme.length);
  if (fields === undefined) return undefined;
  const read = (name: string): string => fields.get(name) ?? '';
  const algorithm = algorithmOf(fields.get('algorithm') ?? 'MD5');
  const isComplete =
    ['username', 'realm', 'nonce', 'uri', 'cnonce'].every((name) => read(name) !== '') &&
    /^[0-9a-f]{32,64}$/i.test(read('response')) &&
    /^[0-9a-f]{8}$/i.test(read('nc')) &&
    read('qop').toLowerCase() === 'auth';
  if (!isComplete || algorithm === undefined) return undefined;
  return {
    username: read('username'),
    realm: read('realm'),
    nonce: read('nonce'),
    uri: read('uri'),
    response: read('response').toLowerCase(),
    algorithm,
    cnonce: read('cnonce'),
    nc: read('nc').toLowerCase(),
  };
}

function readParameters(value: string, from: number): Map<string, string> | undefined {
  const fields = new Map<string, string>();
  parameter.lastIndex = from;
  while (parameter.lastIndex < value.length) {
    const found = parameter.exec(value);
    if (found === null) return undefined;
    const name = (found[1] ?? '').toLowerCase();
    if (fields.has(name)) return undefined;
    fields.set(name, found[2]?.replaceAll(/\\(.)/g, '$1') ?? found[3] ?? '');
  }
  return fields;
}

function algorithmOf(name: string): DigestAlgorithm | undefined {
  const upper = name.toUpperCase();
  return upper === 'MD5' || upper === 'SHA-256' ? upper : undefined;
}

/** H(user:realm:password): as good as the password towards this realm, never to be logged or stored. */
export function secretOf(algorithm: DigestAlgorithm, user: string, realm: string, password: string): string {
  return hash(algorithm, `${user}:${realm}:${password}`);
}

/** The response that the owner of `secret` gives (RFC 7616 §3.4.1, qop=auth). */
export function responseOf(secret: string, method: string, credentials: DigestCredentials): string {
  const { algorithm, nonce, nc, cnonce, uri } = credentials;
  const what = hash(algorithm, `${method}:${uri}`);
  return hash(algorithm, `${secret}:${nonce}:${nc}:${cnonce}:auth:${what}`);
}

function hash(algorithm: DigestAlgorithm, text: string): string {
  return createHash(ALGORITHMS[algorithm]).update(text, 'utf8').digest('hex');
}
