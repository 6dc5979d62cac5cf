// Character classes of RFC 3261 §25.1, on text where each character is one byte (Latin-1 view of the message).
// String.trim and friends are not used on header text: they know U+00A0 and U+0085, which here are halves of
// UTF-8 characters.

const TOKEN = classTable("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~");
const HOST = classTable('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._');
// Characters that would break out of a header line, or that Latin-1 output would fold into ones that do.
const UNPRINTABLE = /[\0\r\n\u0100-\uffff]/;

function classTable(characters: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const character of characters) table[character.charCodeAt(0)] = 1;
  return table;
}

function isAllOf(table: Uint8Array, text: string, from: number, to: number): boolean {
  if (from >= to) return false;
  for (let at = from; at < to; at++) if (table[text.charCodeAt(at)] !== 1) return false;
  return true;
}

/** Whether the text between two indexes is a non-empty `token`. */
export function isToken(text: string, from = 0, to = text.length): boolean {
  return isAllOf(TOKEN, text, from, to);
}

/** Whether one byte may stand in a `token`. */
export function isTokenCode(code: number): boolean {
  return TOKEN[code] === 1;
}

/** Whether the text could be a host name or an IPv4 address (underscore accepted: COMPAT(Unified CM node names)). */
export function isHostName(text: string, from = 0, to = text.length): boolean {
  return isAllOf(HOST, text, from, to);
}

/** Whether the text can be put into a header value or start line without ending it. */
export function isLineSafe(text: string): boolean {
  return !UNPRINTABLE.test(text);
}

/** First index at or after `at` that is not space or tab. */
export function skipBlank(text: string, at: number, end = text.length): number {
  while (at < end && isBlank(text.charCodeAt(at))) at++;
  return at;
}

/** Last index before `end`, not below `from`, after which only space and tab follow. */
export function skipBlankBack(text: string, end: number, from = 0): number {
  while (end > from && isBlank(text.charCodeAt(end - 1))) end--;
  return end;
}

/** The text without leading and trailing space and tab. */
export function trimBlank(text: string, from = 0, to = text.length): string {
  const start = skipBlank(text, from, to);
  return text.slice(start, skipBlankBack(text, to, start));
}

/** A decimal of one to ten digits between two indexes, or -1. */
export function parseDecimal(text: string, from = 0, to = text.length): number {
  if (to <= from || to - from > 10) return -1;
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = text.charCodeAt(at) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** Index just after the closing quote of the quoted string that opens at `at`, or -1 when it never closes. */
export function skipQuoted(text: string, at: number, end = text.length): number {
  for (let next = at + 1; next < end; next++) {
    const code = text.charCodeAt(next);
    if (code === 0x5c) next++;
    else if (code === 0x22) return next + 1;
  }
  return -1;
}

/** The content of a quoted string with its backslashes resolved; text that is not quoted comes back as it is. */
export function unquote(text: string): string {
  if (text.length < 2 || text.charCodeAt(0) !== 0x22) return text;
  return text.slice(1, -1).replaceAll(/\\(.)/gs, '$1');
}

/**
 * A copy that shares no memory with the message it was cut from. Use it for what outlives the message:
 * a slice of text keeps the whole of its source alive.
 */
export function ownedCopy(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
