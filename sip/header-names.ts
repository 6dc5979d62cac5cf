// Canonical header names: compact forms (RFC 3261 §7.3.3, §20) and case resolve to one lower-case key, so that
// a read, an edit and a strip list can never disagree about which header a line is.

import { isToken } from './characters.ts';
import { SipParseError } from './parse-error.ts';

/** What is known of a header: its canonical key, whether a second line is an error, whether commas separate values. */
export interface HeaderName {
  readonly key: string;
  /** One bit of a mask of headers seen, 0 when the header may repeat. */
  readonly onceBit: number;
  readonly isList: boolean;
  /** Grammar `[value *(COMMA value)]`: a line without value is a list of none. */
  readonly mayBeEmpty: boolean;
}

// Headers that RFC 3261 §20 (and the RFC that defines them) allow once. Order gives the bit.
const ONCE = [
  'From', 'To', 'Call-ID', 'CSeq', 'Max-Forwards', 'Content-Length', 'Content-Type', 'Expires', 'Event',
  'Subscription-State', 'Refer-To', 'Referred-By', 'Replaces', 'RSeq', 'RAck', 'Session-Expires', 'Min-SE',
  'Min-Expires', 'Date', 'MIME-Version', 'Content-Disposition', 'SIP-ETag', 'SIP-If-Match', 'Target-Dialog',
  'Join', 'Subject', 'Organization',
]; // prettier-ignore

// Headers whose grammar is `value *(COMMA value)`. Challenges and credentials are not: their commas are inside.
const LISTS = [
  'Via', 'Route', 'Record-Route', 'Path', 'Service-Route', 'Contact', 'Supported', 'Require', 'Proxy-Require',
  'Unsupported', 'Allow', 'Allow-Events', 'Accept', 'Accept-Encoding', 'Accept-Language', 'Content-Encoding',
  'Content-Language', 'In-Reply-To', 'Call-Info', 'Alert-Info', 'Error-Info', 'Warning', 'Reason',
  'P-Asserted-Identity', 'P-Preferred-Identity', 'Remote-Party-ID', 'Diversion', 'History-Info', 'Privacy',
]; // prettier-ignore

const OTHERS = [
  'User-Agent', 'Server', 'Timestamp', 'Retry-After', 'Priority', 'Authorization', 'Proxy-Authorization',
  'WWW-Authenticate', 'Proxy-Authenticate', 'Authentication-Info', 'Proxy-Authentication-Info', 'Session-ID',
  'Cisco-Guid', 'X-TAATag', 'Recv-Info', 'Info-Package', 'Geolocation', 'Identity', 'Request-Disposition',
  'Accept-Contact', 'Reject-Contact',
]; // prettier-ignore

const COMPACT: readonly (readonly [string, string])[] = [
  ['a', 'Accept-Contact'],
  ['b', 'Referred-By'],
  ['c', 'Content-Type'],
  ['d', 'Request-Disposition'],
  ['e', 'Content-Encoding'],
  ['f', 'From'],
  ['i', 'Call-ID'],
  ['j', 'Reject-Contact'],
  ['k', 'Supported'],
  ['l', 'Content-Length'],
  ['m', 'Contact'],
  ['n', 'Identity-Info'],
  ['o', 'Event'],
  ['r', 'Refer-To'],
  ['s', 'Subject'],
  ['t', 'To'],
  ['u', 'Allow-Events'],
  ['v', 'Via'],
  ['x', 'Session-Expires'],
  ['y', 'Identity'],
];

// Only of these does RFC 3261 §25.1 allow an empty list.
const MAY_BE_EMPTY = new Set(['Supported', 'Allow', 'Accept', 'Accept-Encoding', 'Accept-Language']);

const KNOWN = new Map<string, HeaderName>();
const PRINTED = new Map<string, string>();
for (const [index, name] of ONCE.entries()) register(name, 1 << index, false);
for (const name of LISTS) register(name, 0, true);
for (const name of OTHERS) register(name, 0, false);
for (const [letter, name] of COMPACT) {
  const known = KNOWN.get(name) ?? register(name, 0, false);
  KNOWN.set(letter, known);
  KNOWN.set(letter.toUpperCase(), known);
}

function register(name: string, onceBit: number, isList: boolean): HeaderName {
  const header = { key: name.toLowerCase(), onceBit, isList, mayBeEmpty: MAY_BE_EMPTY.has(name) };
  KNOWN.set(name, header);
  KNOWN.set(header.key, header);
  PRINTED.set(header.key, name);
  return header;
}

/** Resolves a header name in any case or compact form. Throws SipParseError when it is no token. */
export function headerName(name: string): HeaderName {
  return KNOWN.get(name) ?? uncommonName(name);
}

function uncommonName(name: string): HeaderName {
  if (!isToken(name)) throw new SipParseError('header-name', 'Malformed Header Name');
  const key = name.toLowerCase();
  return KNOWN.get(key) ?? { key, onceBit: 0, isList: false, mayBeEmpty: false };
}

/** The usual spelling of a canonical key, for lines we write ourselves. */
export function printedName(name: string): string {
  return PRINTED.get(headerName(name).key) ?? name;
}

/** The bit of a header that may appear once, for masks of mandatory headers. */
export function onceBitOf(name: string): number {
  return headerName(name).onceBit;
}
