// Via, RFC 3261 §20.42, with received and rport of RFC 3581 §4.
//   SIP / 2.0 / TLS host:port ;branch=z9hG4bK... ;received=... ;rport=... ;ingress-zone=...

import { isToken, skipBlank, skipBlankBack } from './characters.ts';
import { parseHostPort, printHostPort } from './host-port.ts';
import { parseParams, paramValue, printParams } from './params.ts';
import type { Param } from './params.ts';
import { SipParseError } from './parse-error.ts';

/** Longest branch accepted, in bytes: branches are keys of transaction tables. */
export const MAX_BRANCH = 255;

/** What a branch made by an RFC 3261 element begins with (§8.1.1.7). */
export const MAGIC_COOKIE = 'z9hG4bK';

/** One hop. `transport` is upper-case; host and parameters as written. */
export interface Via {
  readonly transport: string;
  readonly host: string;
  readonly port: number | undefined;
  readonly params: readonly Param[];
  readonly branch: string | undefined;
}

/** Parses one Via value. Throws SipParseError. */
export function parseVia(text: string): Via {
  const slash = text.indexOf('/');
  const secondSlash = text.indexOf('/', slash + 1);
  if (slash < 0 || secondSlash < 0) throw new SipParseError('via', 'Malformed Via');
  checkPart(text, 0, slash, 'SIP');
  checkPart(text, slash + 1, secondSlash, '2.0');
  const transportStart = skipBlank(text, secondSlash + 1);
  const transportEnd = blankAfter(text, transportStart);
  if (!isToken(text, transportStart, transportEnd)) throw new SipParseError('via', 'Malformed Via Transport');
  const hostStart = skipBlank(text, transportEnd);
  const semicolon = text.indexOf(';', hostStart);
  const hostEnd = skipBlankBack(text, semicolon < 0 ? text.length : semicolon, hostStart);
  const params = parseParams(text, hostEnd);
  const branch = paramValue(params, 'branch');
  if ((branch?.length ?? 0) > MAX_BRANCH) throw new SipParseError('too-long', 'Branch Too Long');
  const { host, port } = parseSentBy(text, hostStart, hostEnd);
  return { transport: text.slice(transportStart, transportEnd).toUpperCase(), host, port, params, branch };
}

/** The value as text. */
export function printVia(via: Omit<Via, 'branch'>): string {
  return `SIP/2.0/${via.transport} ${printHostPort(via)}${printParams(via.params)}`;
}

/** Whether the branch was made by RFC 3261 rules; §17.2.3 matching needs it. The cookie alone is no branch. */
export function hasMagicCookie(via: Via): boolean {
  const { branch } = via;
  if (branch === undefined || branch.length <= MAGIC_COOKIE.length) return false;
  return branch.startsWith(MAGIC_COOKIE) || branch.toLowerCase().startsWith('z9hg4bk');
}

// sent-by = host [COLON port], where COLON may have blanks around it.
function parseSentBy(text: string, from: number, to: number): { host: string; port: number | undefined } {
  if (to <= from) throw new SipParseError('via', 'Malformed Via');
  const sentBy = text.slice(from, to);
  if (!sentBy.includes(' ') && !sentBy.includes('\t')) return parseHostPort(sentBy);
  const colon = sentBy.lastIndexOf(':');
  if (colon < 0) throw new SipParseError('via', 'Malformed Via');
  const hostEnd = skipBlankBack(sentBy, colon);
  const portStart = skipBlank(sentBy, colon + 1);
  return parseHostPort(`${sentBy.slice(0, hostEnd)}:${sentBy.slice(portStart)}`);
}

function checkPart(text: string, from: number, to: number, wanted: string): void {
  const start = skipBlank(text, from, to);
  const end = skipBlankBack(text, to, start);
  if (text.slice(start, end).toUpperCase() !== wanted)
    throw new SipParseError('via', 'Malformed Via Protocol');
}

function blankAfter(text: string, at: number): number {
  while (at < text.length && text.charCodeAt(at) !== 0x20 && text.charCodeAt(at) !== 0x09) at++;
  return at;
}
