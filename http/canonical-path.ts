// One canonical form of a request target (RFC 9112 §3.2.1, RFC 3986 §6.2): rules are decided on it and it alone is
// sent on, so no two parsers along the way can read two different paths.
// Canonical: origin-form; unreserved characters plain, everything else percent-encoded with capitals; no empty
// segments; UTF-8. Refused rather than guessed: dot segments, encoded `/ \ ; NUL` and other controls, `;`
// parameters, double encoding, invalid UTF-8, characters that some normaliser turns into a delimiter.
import { HEX_VALUE, PLAIN_PATH, PLAIN_QUERY, UNRESERVED } from './characters.ts';
import { HttpError } from './http-error.ts';

const SLASH = 0x2f;
const PERCENT = 0x25;
/** Visible characters that clients send plain although RFC 3986 wants them encoded; we encode them. */
const ENCODE_IN_PATH = new Set('"<>^`{|}[]');
const ENCODE_IN_QUERY = new Set('"<>^`{|}[]\\');
/** Encoded octets that must not appear in a path: they are delimiters to one parser or another. */
const FORBIDDEN_IN_PATH = new Set(['/', '\\', ';', '\u007f']);
/** A character outside ASCII whose compatibility form holds one of these can turn into a delimiter further in. */
const BECOMES_DELIMITER = /[/\\.;?#%\s\u0000-\u001f\u007f-\u009f]/;
/** An encoded percent sign before what would then be an encoding: some readers decode twice. */
const HIDDEN_ENCODING = /%25(?:%|[0-9a-fA-F]{2})/;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A request target in canonical form; `target` is what is sent on. */
export interface CanonicalTarget {
  readonly target: string;
  readonly path: string;
  /** Without the question mark; undefined when there was none. */
  readonly query: string | undefined;
}

/** The canonical form of an origin-form target. Throws HttpError 400. */
export function canonicalTarget(text: string): CanonicalTarget {
  if (text.charCodeAt(0) !== SLASH) throw badTarget('target is not in origin-form');
  const question = text.indexOf('?');
  const path = canonicalPath(question < 0 ? text : text.slice(0, question));
  if (question < 0) return { target: path, path, query: undefined };
  const query = canonicalQuery(text.slice(question + 1));
  return { target: `${path}?${query}`, path, query };
}

/** The canonical form of an absolute path without query. Idempotent. Throws HttpError 400. */
export function canonicalPath(path: string): string {
  if (path.charCodeAt(0) !== SLASH) throw badTarget('path does not begin with a slash');
  if (isCanonical(path)) return path;
  const segments = path.slice(1).split('/');
  const last = segments.pop() ?? '';
  const kept = segments.filter((segment) => segment !== '').map(canonicalSegment);
  const out = [...kept, last === '' ? '' : canonicalSegment(last)].join('/');
  return `/${out}`;
}

/** True for a path of plain characters without empty or dot-led segments: nearly every real one. */
function isCanonical(path: string): boolean {
  let previous = 0;
  for (let i = 0; i < path.length; i++) {
    const code = path.charCodeAt(i);
    const kind = code > 127 ? 0 : PLAIN_PATH[code];
    if (kind === 0) return false;
    if (kind === 2 && previous === SLASH) return false;
    previous = code;
  }
  return true;
}

function canonicalSegment(segment: string): string {
  let out = '';
  for (let i = 0; i < segment.length;) {
    const code = segment.charCodeAt(i);
    if (code === PERCENT) {
      const end = endOfEncodedRun(segment, i);
      out += canonicalEncoded(segment, i, end);
      i = end;
      continue;
    }
    out += canonicalPlain(segment.charAt(i), code);
    i++;
  }
  if (out === '.' || out === '..') throw badTarget('dot segment in path');
  if (HIDDEN_ENCODING.test(out)) throw badTarget('doubly encoded character in path');
  return out;
}

function canonicalPlain(character: string, code: number): string {
  if (code <= 127 && PLAIN_PATH[code] !== 0 && code !== SLASH) return character;
  if (ENCODE_IN_PATH.has(character)) return encodeByte(code);
  throw badTarget('character not allowed in path');
}

/** An encoded octet below 0x80 stands alone; those above are taken together, they must be UTF-8 together. */
function endOfEncodedRun(segment: string, start: number): number {
  if (encodedByte(segment, start) < 0x80) return start + 3;
  let end = start + 3;
  while (segment.charCodeAt(end) === PERCENT && encodedByte(segment, end) >= 0x80) end += 3;
  return end;
}

function canonicalEncoded(segment: string, start: number, end: number): string {
  const byte = encodedByte(segment, start);
  if (byte >= 0x80) return canonicalUtf8(segment, start, end);
  const character = String.fromCharCode(byte);
  if (byte < 0x20 || FORBIDDEN_IN_PATH.has(character))
    throw badTarget('encoded delimiter or control character in path');
  if (UNRESERVED[byte] === 1) return character;
  return encodeByte(byte);
}

function canonicalUtf8(segment: string, start: number, end: number): string {
  const bytes = Buffer.from(segment.slice(start, end).replaceAll('%', ''), 'hex');
  for (const character of decodeUtf8(bytes)) {
    if (BECOMES_DELIMITER.test(character) || BECOMES_DELIMITER.test(character.normalize('NFKC'))) {
      throw badTarget('character in path that may turn into a delimiter');
    }
  }
  let out = '';
  for (const byte of bytes) out += encodeByte(byte);
  return out;
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new HttpError(400, 'target', 'path is not UTF-8', { cause });
  }
}

/** Queries are data to their reader: only what could break a message or a log line is refused. */
function canonicalQuery(query: string): string {
  if (isPlainQuery(query)) return query;
  let out = '';
  for (let i = 0; i < query.length; i++) {
    const code = query.charCodeAt(i);
    if (code === PERCENT) {
      out += canonicalEncodedInQuery(encodedByte(query, i));
      i += 2;
    } else if (code <= 127 && PLAIN_QUERY[code] === 1) out += query.charAt(i);
    else if (ENCODE_IN_QUERY.has(query.charAt(i))) out += encodeByte(code);
    else throw badTarget('character not allowed in query');
  }
  return out;
}

function isPlainQuery(query: string): boolean {
  for (let i = 0; i < query.length; i++) {
    const code = query.charCodeAt(i);
    if (code > 127 || PLAIN_QUERY[code] === 0) return false;
  }
  return true;
}

function canonicalEncodedInQuery(byte: number): string {
  if (byte === 0 || byte === 13 || byte === 10) throw badTarget('NUL or line break in query');
  return UNRESERVED[byte] === 1 ? String.fromCharCode(byte) : encodeByte(byte);
}

function encodedByte(text: string, at: number): number {
  const byte = readHex(text, at + 1);
  if (byte < 0) throw badTarget('percent sign without two hexadecimal digits');
  return byte;
}

function readHex(text: string, at: number): number {
  const high = HEX_VALUE[text.charCodeAt(at)] ?? 255;
  const low = HEX_VALUE[text.charCodeAt(at + 1)] ?? 255;
  return high === 255 || low === 255 ? -1 : high * 16 + low;
}

function encodeByte(byte: number): string {
  return `%${byte < 16 ? '0' : ''}${byte.toString(16).toUpperCase()}`;
}

function badTarget(message: string): HttpError {
  return new HttpError(400, 'target', message);
}
