// The two compact forms a self-describing token is made of, opened with node:crypto at the speed of a door:
//   JWS  RFC 7515 §7.1  header . payload . signature            RS256 only
//   JWE  RFC 7516 §7.1  header . (empty) . iv . text . tag      `dir` with A128CBC-HS256 only (RFC 7518 §4.5, §5.2.3)
// Trusts nothing in them: the algorithm is ours, never the header's choice; a header that brings a key, an extension or
// compression is refused, not ignored (T-126). Every part has one spelling.
import {
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
  verify,
} from 'node:crypto';

/** Why a token could not be opened; `fault` is from a closed set. */
export interface JoseFault {
  readonly fault: 'malformed' | 'header' | 'key-unknown' | 'signature';
}
export type Opened = { readonly kid: string; readonly payload: Buffer } | JoseFault;
export type FindKey = (kid: string) => KeyObject | undefined;

/** Tokens of Unified CM have about 1,500 characters. */
export const maxTokenLength = 8192;
const base64url = /^[A-Za-z0-9_-]*$/;
/** Header parameters that would let a token say how it is to be believed. */
const neverAllowed = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'p2s', 'p2c', 'epk', 'apu', 'apv'];
const malformed: JoseFault = { fault: 'malformed' };
const wrongHeader: JoseFault = { fault: 'header' };

/** The payload of a JWS whose RS256 signature is good. Never throws. */
export function openJws(token: string, findKey: FindKey): Opened {
  const parts = split(token, 3);
  if (parts === undefined) return malformed;
  const [headerText = '', payloadText = '', signatureText = ''] = parts;
  const header = readHeader(headerText, 'RS256', undefined);
  if ('fault' in header) return header;
  const payload = decode(payloadText);
  const signature = decode(signatureText);
  if (payload === undefined || signature === undefined) return malformed;
  const key = findKey(header.kid);
  if (key === undefined) return { fault: 'key-unknown' };
  const signed = Buffer.from(token.slice(0, headerText.length + 1 + payloadText.length), 'latin1');
  return isSigned(signed, key, signature) ? { kid: header.kid, payload } : { fault: 'signature' };
}

/** The plain text of a JWE whose tag is good. Never throws. */
export function openJwe(token: string, findKey: FindKey): Opened {
  const parts = split(token, 5);
  if (parts === undefined) return malformed;
  const [headerText = '', keyText = '', ivText = '', cipherText = '', tagText = ''] = parts;
  const header = readHeader(headerText, 'dir', 'A128CBC-HS256');
  if ('fault' in header) return header;
  const [iv, text, tag] = [decode(ivText), decode(cipherText), decode(tagText)];
  if (
    keyText !== '' ||
    iv?.length !== 16 ||
    tag?.length !== 16 ||
    text === undefined ||
    text.length % 16 !== 0
  )
    return malformed;
  const key = findKey(header.kid);
  if (key === undefined) return { fault: 'key-unknown' };
  const halves = halvesOf(key);
  if (!timingSafeEqual(tag, tagOf(halves.mac, headerText, iv, text))) return { fault: 'signature' };
  const payload = decrypt(halves.cipher, iv, text);
  return payload === undefined ? malformed : { kid: header.kid, payload };
}

function split(token: string, count: number): string[] | undefined {
  if (token.length > maxTokenLength) return undefined;
  const parts = token.split('.', count + 1);
  return parts.length === count ? parts : undefined;
}

/** The bytes of a part; undefined when it has another spelling than the one these bytes have. */
function decode(part: string): Buffer | undefined {
  if (!base64url.test(part) || part.length % 4 === 1) return undefined;
  const bytes = Buffer.from(part, 'base64url');
  // Bits past the last byte must be zero: only the last character can differ.
  const tail = part.length % 4;
  if (tail === 0) return bytes;
  const last = bytes.subarray(bytes.length - (tail - 1)).toString('base64url');
  return last === part.slice(-tail) ? bytes : undefined;
}

const headers = new Map<string, { readonly kid: string } | JoseFault>();
/** Headers differ by key only, so that a handful is all there ever is; strangers' headers push each other out. */
const maxHeaders = 64;

function readHeader(
  text: string,
  alg: string,
  enc: string | undefined,
): { readonly kid: string } | JoseFault {
  const id = `${alg} ${text}`;
  const known = headers.get(id);
  if (known !== undefined) return known;
  const read = parseHeader(text, alg, enc);
  const oldest = headers.size >= maxHeaders ? headers.keys().next().value : undefined;
  if (oldest !== undefined) headers.delete(oldest);
  headers.set(id, read);
  return read;
}

function parseHeader(
  text: string,
  alg: string,
  enc: string | undefined,
): { readonly kid: string } | JoseFault {
  const bytes = text.length > 1024 ? undefined : decode(text);
  const header = bytes === undefined ? undefined : parseObject(bytes);
  if (header === undefined) return malformed;
  const { kid } = header;
  if (header['alg'] !== alg || header['enc'] !== enc || typeof kid !== 'string' || kid.length > 256)
    return wrongHeader;
  return neverAllowed.some((name) => Object.hasOwn(header, name)) ? wrongHeader : { kid };
}

/** A JSON object; undefined for anything else. A repeated name is refused: readers differ on which one counts. */
export function parseObject(bytes: Buffer): Record<string, unknown> | undefined {
  try {
    const text = utf8.decode(bytes);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return repeatsName(text) ? undefined : (value as Record<string, unknown>);
  } catch {
    return undefined;
  }
}

/** Whether the outermost object of valid JSON has a name twice. */
function repeatsName(text: string): boolean {
  const names = new Set<string>();
  let depth = 0;
  for (const [token, colon] of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth += 1;
    else if (token === '}' || token === ']') depth -= 1;
    else if (colon !== undefined && depth === 1) {
      const name = JSON.parse(token.slice(0, -colon.length)) as string;
      if (names.has(name)) return true;
      names.add(name);
    }
  }
  return false;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function isSigned(signed: Buffer, key: KeyObject, signature: Buffer): boolean {
  if (key.type !== 'public' || key.asymmetricKeyType !== 'rsa') return false;
  return verify('RSA-SHA256', signed, key, signature);
}

interface Halves {
  readonly mac: KeyObject;
  readonly cipher: KeyObject;
}
const halves = new WeakMap<KeyObject, Halves>();

/** RFC 7518 §5.2.2.1: the first half authenticates, the second encrypts. */
function halvesOf(key: KeyObject): Halves {
  const known = halves.get(key);
  if (known !== undefined) return known;
  const bytes = key.export();
  const made = {
    mac: createSecretKey(bytes.subarray(0, 16)),
    cipher: createSecretKey(bytes.subarray(16, 32)),
  };
  halves.set(key, made);
  return made;
}

function tagOf(mac: KeyObject, header: string, iv: Buffer, text: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeUInt32BE(header.length * 8, 4);
  const hmac = createHmac('sha256', mac);
  hmac.update(header, 'latin1').update(iv).update(text).update(length);
  return hmac.digest().subarray(0, 16);
}

function decrypt(key: KeyObject, iv: Buffer, text: Buffer): Buffer | undefined {
  try {
    const decipher = createDecipheriv('aes-128-cbc', key, iv);
    return Buffer.concat([decipher.update(text), decipher.final()]);
  } catch {
    return undefined;
  }
}
