// SIP and SIPS URIs, RFC 3261 §19.1; every other scheme (tel, urn, im) stays opaque. Parts are kept as written, so
// that changing one leaves the bytes of the others alone. Comparison is in uri-compare.ts.

import { printHostPort, parseHostPort } from './host-port.ts';
import { SipParseError } from './parse-error.ts';
import { addParam, findParam, printParams } from './params.ts';
import type { Param } from './params.ts';

/** sip: or sips: URI. `user`, `password` and `headers` are raw (still escaped); `host` as written. */
export interface SipUri {
  readonly kind: 'sip';
  readonly scheme: 'sip' | 'sips';
  readonly user: string | undefined;
  readonly password: string | undefined;
  readonly host: string;
  readonly port: number | undefined;
  readonly params: readonly Param[];
  /** What follows `?`, raw. */
  readonly headers: string | undefined;
}

/** A URI of a scheme this room does not look into. */
export interface OpaqueUri {
  readonly kind: 'other';
  readonly scheme: string;
  readonly opaque: string;
}

export type Uri = SipUri | OpaqueUri;

/** Longest URI accepted, in bytes. */
export const MAX_URI = 2048;

/** Parses a URI that fills the whole text. Throws SipParseError. */
export function parseUri(text: string): Uri {
  if (text.length > MAX_URI) throw new SipParseError('too-long', 'Request-URI Too Long', 414);
  const colon = text.indexOf(':');
  checkScheme(text, colon);
  checkCharacters(text, colon + 1);
  const scheme = text.slice(0, colon).toLowerCase();
  if (scheme !== 'sip' && scheme !== 'sips') return { kind: 'other', scheme, opaque: text.slice(colon + 1) };
  return parseSipParts(text, scheme, colon + 1);
}

/** Parses a URI that must be sip: or sips:; another scheme is refused with 416. */
export function parseSipUri(text: string): SipUri {
  const uri = parseUri(text);
  if (uri.kind !== 'sip') throw new SipParseError('uri', 'Unsupported URI Scheme', 416);
  return uri;
}

/** The URI as text. */
export function printUri(uri: Uri): string {
  if (uri.kind === 'other') return `${uri.scheme}:${uri.opaque}`;
  const password = uri.password === undefined ? '' : `:${uri.password}`;
  const userinfo = uri.user === undefined ? '' : `${uri.user}${password}@`;
  const headers = uri.headers === undefined ? '' : `?${uri.headers}`;
  return `${uri.scheme}:${userinfo}${printHostPort(uri)}${printParams(uri.params)}${headers}`;
}

/** Whether the URI carries the `lr` parameter (loose routing, RFC 3261 §19.1.1). */
export function isLooseRoute(uri: Uri): boolean {
  return uri.kind === 'sip' && findParam(uri.params, 'lr') !== undefined;
}

/** The transport a URI asks for, lower-case: its parameter, else tls for sips, else undefined (RFC 3263 §4.1 decides). */
export function uriTransport(uri: SipUri): string | undefined {
  const named = findParam(uri.params, 'transport')?.value;
  return named?.toLowerCase() ?? (uri.scheme === 'sips' ? 'tls' : undefined);
}

/** The text with %HH resolved once; malformed escapes stay. */
export function unescapeUri(text: string): string {
  if (!text.includes('%')) return text;
  return text.replaceAll(/%([0-9a-fA-F]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function parseSipParts(text: string, scheme: 'sip' | 'sips', start: number): SipUri {
  const at = text.indexOf('@', start);
  if (at >= 0 && text.includes('@', at + 1)) throw new SipParseError('uri', 'Malformed URI');
  const hostStart = at < 0 ? start : at + 1;
  const question = text.indexOf('?', hostStart);
  const paramsEnd = question < 0 ? text.length : question;
  const semicolon = text.indexOf(';', hostStart);
  const hostEnd = semicolon < 0 || semicolon > paramsEnd ? paramsEnd : semicolon;
  const { host, port } = parseHostPort(text, hostStart, hostEnd);
  const { user, password } = parseUserinfo(text, start, at);
  return {
    kind: 'sip',
    scheme,
    user,
    password,
    host,
    port,
    params: parseUriParams(text, hostEnd, paramsEnd),
    headers: question < 0 ? undefined : text.slice(question + 1),
  };
}

function parseUserinfo(text: string, start: number, at: number): Pick<SipUri, 'user' | 'password'> {
  if (at < 0) return { user: undefined, password: undefined };
  const colon = text.indexOf(':', start);
  const userEnd = colon < 0 || colon > at ? at : colon;
  if (userEnd === start) throw new SipParseError('uri', 'Empty User In URI');
  const password = userEnd === at ? undefined : text.slice(userEnd + 1, at);
  return { user: text.slice(start, userEnd), password };
}

function parseUriParams(text: string, from: number, to: number): readonly Param[] {
  const params: Param[] = [];
  let at = from;
  while (at < to) {
    const next = text.indexOf(';', at + 1);
    const end = next < 0 || next > to ? to : next;
    const equals = text.indexOf('=', at + 1);
    const nameEnd = equals < 0 || equals > end ? end : equals;
    if (nameEnd === at + 1) throw new SipParseError('uri', 'Malformed URI Parameter');
    addParam(params, text.slice(at + 1, nameEnd), nameEnd === end ? undefined : text.slice(nameEnd + 1, end));
    at = end;
  }
  return params;
}

function checkScheme(text: string, colon: number): void {
  if (colon < 1 || colon > 32) throw new SipParseError('uri', 'Malformed URI');
  for (let at = 0; at < colon; at++) {
    const code = text.charCodeAt(at);
    const isAlpha = (code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a;
    const isOther = (code >= 0x30 && code <= 0x39) || code === 0x2b || code === 0x2d || code === 0x2e;
    if (!isAlpha && (at === 0 || !isOther)) throw new SipParseError('uri', 'Malformed URI Scheme');
  }
}

// Printable ASCII without blank, `"`, `<`, `>`, `\`, `^`, `` ` ``, `{`, `|`, `}`: what RFC 3261 §25.1 never allows in a URI.
const NOT_IN_URI = /[^!#-;=?-[\]_a-z~]/;

function checkCharacters(text: string, from: number): void {
  if (from === text.length || NOT_IN_URI.test(text.slice(from))) {
    throw new SipParseError('uri', 'Malformed URI');
  }
}
