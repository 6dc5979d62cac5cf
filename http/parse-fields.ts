// Header fields (RFC 9112 §5) out of a head that the scanner has passed: name, colon, value, no white space before
// the colon. Framing and hop-by-hop fields (RFC 9110 §7.6.1) are taken out here and never reach a HeaderList;
// whatever could be read two ways is refused (RFC 9112 §6.1, §6.3, §11.2).
import { TOKEN } from './characters.ts';
import { HeaderList } from './header-list.ts';
import { HttpError } from './http-error.ts';
import type { HeadLimits } from './message.ts';

/** The fields of one head, sorted into what is passed on and what concerned this hop only. */
export interface ParsedFields {
  readonly headers: HeaderList;
  host: string | undefined;
  contentLength: number | undefined;
  chunked: boolean;
  close: boolean;
  keepAlive: boolean;
  expect: string | undefined;
  /** For a door that takes WebSocket; never passed on. */
  upgrade: string | undefined;
}

type Special =
  | 'host'
  | 'content-length'
  | 'transfer-encoding'
  | 'connection'
  | 'expect'
  | 'upgrade'
  | 'hop-by-hop';

const SPECIAL: ReadonlyMap<string, Special> = new Map<string, Special>([
  ['host', 'host'],
  ['content-length', 'content-length'],
  ['transfer-encoding', 'transfer-encoding'],
  ['connection', 'connection'],
  ['expect', 'expect'],
  ['keep-alive', 'hop-by-hop'],
  ['proxy-connection', 'hop-by-hop'],
  ['proxy-authorization', 'hop-by-hop'],
  ['proxy-authenticate', 'hop-by-hop'],
  ['proxy-authentication-info', 'hop-by-hop'],
  ['te', 'hop-by-hop'],
  ['trailer', 'hop-by-hop'],
  ['upgrade', 'upgrade'],
  ['http2-settings', 'hop-by-hop'],
]);

/** 2^53 - 1 has 16 digits; nothing longer can be exact. */
const CONTENT_LENGTH = /^[0-9]{1,16}$/;
const SPACE = 32;
const TAB = 9;

/** Reads the lines from `start` to the end of `text`, each ended by CRLF. Throws HttpError. */
export function parseFields(text: string, start: number, limits: HeadLimits): ParsedFields {
  const fields: ParsedFields = {
    headers: new HeaderList(),
    host: undefined,
    contentLength: undefined,
    chunked: false,
    close: false,
    keepAlive: false,
    expect: undefined,
    upgrade: undefined,
  };
  let listed: Set<string> | undefined;
  let count = 0;
  for (let at = start; at < text.length;) {
    if (++count > limits.maxHeaders) throw new HttpError(431, 'too-many-headers', 'too many header fields');
    const end = text.indexOf('\r\n', at);
    const colon = endOfName(text, at, limits.maxHeaderNameBytes);
    const name = text.slice(at, colon);
    const lower = name.toLowerCase();
    const value = trimmed(text, colon + 1, end);
    const special = SPECIAL.get(lower);
    if (special === undefined) fields.headers.appendParsed(lower, name, value);
    else if (special === 'connection') listed = readConnection(value, fields, listed);
    else takeSpecial(special, value, fields);
    at = end + 2;
  }
  if (fields.chunked && fields.contentLength !== undefined)
    throw framing('both Transfer-Encoding and Content-Length');
  if (listed !== undefined) removeListed(fields.headers, listed);
  return fields;
}

/** The offset of the colon; what is before it is a token. */
function endOfName(text: string, start: number, maxBytes: number): number {
  let odd = false;
  let at = start;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    const kind = code > 127 ? 0 : TOKEN[code];
    if (kind === 0) break;
    if (kind === 2) odd = true;
  }
  if (at === start || text.charAt(at) !== ':')
    throw new HttpError(400, 'header-name', 'header name is not a token followed by a colon');
  if (at - start > maxBytes) throw new HttpError(431, 'header-name', 'header name is too long');
  if (odd) refuseDisguise(text.slice(start, at));
  return at;
}

/** Software that maps odd characters of a name to `-` or `_` would see framing that we did not. */
function refuseDisguise(name: string): void {
  const special = SPECIAL.get(plainName(name));
  if (special !== undefined) throw framing('disguised spelling of a field that frames messages');
}

/** A field name as the laxest reader might fold it: lower case, everything but letters and digits one dash. */
export function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-');
}

function trimmed(text: string, start: number, end: number): string {
  let from = start;
  let to = end;
  while (from < to && isBlank(text.charCodeAt(from))) from++;
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--;
  return text.slice(from, to);
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

function takeSpecial(special: Special, value: string, fields: ParsedFields): void {
  switch (special) {
    case 'host':
      if (fields.host !== undefined) throw new HttpError(400, 'host', 'more than one Host');
      fields.host = value;
      return;
    case 'content-length':
      if (fields.contentLength !== undefined) throw framing('more than one Content-Length');
      fields.contentLength = readContentLength(value);
      return;
    case 'transfer-encoding':
      if (fields.chunked) throw framing('more than one Transfer-Encoding');
      readTransferEncoding(value);
      fields.chunked = true;
      return;
    case 'expect':
      fields.expect = fields.expect === undefined ? value : `${fields.expect}, ${value}`;
      return;
    case 'upgrade':
      fields.upgrade = fields.upgrade === undefined ? value : `${fields.upgrade}, ${value}`;
      return;
    default:
      return;
  }
}

function readContentLength(value: string): number {
  const bytes = CONTENT_LENGTH.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(bytes)) throw framing('Content-Length is not a number below 2^53');
  return bytes;
}

/** RFC 9112 §6.1 lets us refuse codings we do not know; only `chunked` alone is known. */
function readTransferEncoding(value: string): void {
  if (value.toLowerCase() === 'chunked') return;
  if (!/^[\w!#$%&'*+.^`|~-]+([ \t]*[,;][ \t]*[\w!#$%&'*+.^`|~="-]+)*$/.test(value))
    throw framing('malformed Transfer-Encoding');
  throw new HttpError(501, 'transfer-coding', 'transfer coding other than chunked');
}

function readConnection(
  value: string,
  fields: ParsedFields,
  listed: Set<string> | undefined,
): Set<string> | undefined {
  let names = listed;
  for (const option of value.toLowerCase().split(',')) {
    const name = option.trim();
    if (name === 'close') fields.close = true;
    else if (name === 'keep-alive') fields.keepAlive = true;
    else if (name !== '') names = (names ?? new Set()).add(name);
  }
  return names;
}

function removeListed(headers: HeaderList, listed: ReadonlySet<string>): void {
  headers.removeWhere((name) => listed.has(name));
}

function framing(message: string): HttpError {
  return new HttpError(400, 'framing', message);
}
