// `name-addr / addr-spec` with header parameters: From, To, Contact, Route, Record-Route, Path, Refer-To and the like.
// RFC 3261 §20.10, §25.1. The URI is parsed when asked for.

import { isTokenCode, skipBlank, skipBlankBack, skipQuoted, unquote } from './characters.ts';
import { parseParams, paramValue, printParams } from './params.ts';
import type { Param } from './params.ts';
import { SipParseError } from './parse-error.ts';
import { parseUri } from './uri.ts';
import type { Uri } from './uri.ts';

/** Longest From or To tag accepted, in bytes. Tags live as long as dialogs; RFC 3261 §19.3 needs 4 to 32. */
export const MAX_TAG = 255;

/** One address with its header parameters. Parts are as written. */
export class NameAddr {
  /** Display name as written, quotes included; undefined when there is none. */
  readonly display: string | undefined;
  readonly uriText: string;
  readonly params: readonly Param[];
  #uri: Uri | undefined;

  constructor(display: string | undefined, uriText: string, params: readonly Param[]) {
    this.display = display;
    this.uriText = uriText;
    this.params = params;
  }

  /** The parsed URI. Throws SipParseError when it is malformed. */
  get uri(): Uri {
    return (this.#uri ??= parseUri(this.uriText));
  }

  get tag(): string | undefined {
    return this.param('tag');
  }

  /** Display name with its quotes resolved, Latin-1 view of what is UTF-8 on the wire. */
  get displayName(): string | undefined {
    return this.display === undefined ? undefined : unquote(this.display);
  }

  param(name: string): string | undefined {
    return paramValue(this.params, name);
  }

  /** The address with another URI; display name and parameters stay. */
  withUri(uriText: string): NameAddr {
    return new NameAddr(this.display, uriText, this.params);
  }

  withParams(params: readonly Param[]): NameAddr {
    return new NameAddr(this.display, this.uriText, params);
  }

  /** As text, always with angle brackets, so that parameters can never move between URI and header. */
  print(): string {
    const display = this.display === undefined ? '' : `${this.display} `;
    return `${display}<${this.uriText}>${printParams(this.params)}`;
  }
}

/** Parses one address value. Throws SipParseError. */
export function parseNameAddr(text: string): NameAddr {
  const start = skipBlank(text, 0);
  const end = skipBlankBack(text, text.length, start);
  const afterQuoted = text.charCodeAt(start) === 0x22 ? skipQuoted(text, start, end) : start;
  if (afterQuoted < 0) throw new SipParseError('address', 'Unterminated Display Name');
  const open = text.indexOf('<', afterQuoted);
  if (open < 0 || open >= end) return parseAddrSpec(text, start, end, afterQuoted);
  checkDisplay(text, afterQuoted, open);
  const close = text.indexOf('>', open);
  if (close < 0 || close >= end) throw new SipParseError('address', 'Malformed Address');
  const displayEnd = skipBlankBack(text, open, start);
  const display = displayEnd === start ? undefined : text.slice(start, displayEnd);
  return finish(display, text.slice(open + 1, close), parseParams(text, close + 1, end));
}

// Without brackets a `;` starts header parameters, and `?` and `,` may not stand in the URI (RFC 3261 §20.10).
function parseAddrSpec(text: string, start: number, end: number, afterQuoted: number): NameAddr {
  if (afterQuoted !== start) throw new SipParseError('address', 'Malformed Address');
  const semicolon = text.indexOf(';', start);
  const uriEnd = skipBlankBack(text, semicolon < 0 || semicolon > end ? end : semicolon, start);
  const uriText = text.slice(start, uriEnd);
  if (uriText.includes('?') || uriText.includes(','))
    throw new SipParseError('address', 'Address Needs Brackets');
  return finish(undefined, uriText, parseParams(text, uriEnd, end));
}

// What could make another reader see other bounds of the address; the rest of the URI's grammar is parseUri's.
const NOT_IN_ADDRESS = /[\0-\x20"<>\x7f]/;

function finish(display: string | undefined, uriText: string, params: readonly Param[]): NameAddr {
  if (uriText === '') throw new SipParseError('address', 'Empty Address');
  if (NOT_IN_ADDRESS.test(uriText)) throw new SipParseError('address', 'Malformed Address');
  const address = new NameAddr(display, uriText, params);
  const { tag } = address;
  if (tag === '') throw new SipParseError('address', 'Empty Tag');
  if (tag !== undefined && tag.length > MAX_TAG) throw new SipParseError('too-long', 'Tag Too Long');
  return address;
}

// display-name = *(token LWS) / quoted-string. Bytes above 0x7F are let through: COMPAT(softphones): unquoted UTF-8.
function checkDisplay(text: string, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    const code = text.charCodeAt(at);
    if (!isTokenCode(code) && code !== 0x20 && code !== 0x09 && code < 0x80) {
      throw new SipParseError('address', 'Malformed Display Name');
    }
  }
}
