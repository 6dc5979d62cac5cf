// Challenges and credentials: WWW-Authenticate, Authorization and their Proxy- twins. RFC 3261 §20.7, §25.1;
// Bearer in SIP's form `Bearer token="…"` (mra-wire §3.4). Parameters stay as written; a proxy never rewrites them.
//   Digest realm="example.com", nonce="…", qop="auth"

import { isToken, isTokenCode, skipBlank, skipQuoted } from './characters.ts';
import { addParam } from './params.ts';
import type { Param } from './params.ts';
import { SipParseError } from './parse-error.ts';

/** Scheme in lower case and its parameters, values as written (quotes included). */
export interface AuthHeader {
  readonly scheme: string;
  readonly params: readonly Param[];
}

/** Parses one header value. Throws SipParseError. */
export function parseAuthHeader(text: string): AuthHeader {
  const schemeEnd = text.indexOf(' ');
  if (schemeEnd < 0 || !isToken(text, 0, schemeEnd))
    throw new SipParseError('value', 'Malformed Credentials');
  const params: Param[] = [];
  let at = skipBlank(text, schemeEnd);
  while (at < text.length) {
    at = parseAuthParam(text, at, params);
    if (at === text.length) break;
    if (text.charCodeAt(at) !== 0x2c) throw new SipParseError('value', 'Malformed Credentials');
    at = skipBlank(text, at + 1);
  }
  return { scheme: text.slice(0, schemeEnd).toLowerCase(), params };
}

/** Prints scheme and parameters. */
export function printAuthHeader(scheme: string, params: readonly Param[]): string {
  return `${scheme} ${params.map(({ name, value }) => `${name}=${value ?? ''}`).join(', ')}`;
}

function parseAuthParam(text: string, at: number, params: Param[]): number {
  const nameEnd = tokenEnd(text, at);
  const equals = skipBlank(text, nameEnd);
  if (nameEnd === at || text.charCodeAt(equals) !== 0x3d)
    throw new SipParseError('value', 'Malformed Credentials');
  const start = skipBlank(text, equals + 1);
  const end = authValueEnd(text, start);
  addParam(params, text.slice(at, nameEnd), text.slice(start, end));
  return skipBlank(text, end);
}

function authValueEnd(text: string, start: number): number {
  if (text.charCodeAt(start) === 0x22) {
    const end = skipQuoted(text, start);
    if (end < 0) throw new SipParseError('value', 'Unterminated Quoted String');
    return end;
  }
  let end = start;
  while (end < text.length && isUnquoted(text.charCodeAt(end))) end++;
  if (end === start) throw new SipParseError('value', 'Malformed Credentials');
  return end;
}

function tokenEnd(text: string, at: number): number {
  while (at < text.length && isTokenCode(text.charCodeAt(at))) at++;
  return at;
}

function isUnquoted(code: number): boolean {
  return code > 0x20 && code < 0x7f && code !== 0x2c && code !== 0x22;
}
