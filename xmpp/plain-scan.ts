// Finds the end of an element in bytes, if it is plain: a subset of XML that every parser reads alike, so that the bytes
// themselves can be passed on in place of what a parser would print. Plain is: ASCII names without prefix, attributes without
// space around `=`, no line breaks in values, the five predefined entities, well-formed UTF-8, tags that match, no `]]>`,
// no carriage return, nothing that begins with `<!` or `<?`. All else is for the parser to judge (RFC 6120 §11).
// Trusts nothing; reads each byte once; holds nothing but one number per open tag.
import type { StreamLimits } from './stream-parser.ts';

/** Where a plain element ends and what a policy needs to know of it. */
export interface PlainScan {
  /** Offset after its last byte. */
  readonly end: number;
  readonly local: string;
  /** The namespace it declares for itself; undefined: that of the stream. */
  readonly namespace: string | undefined;
  /** Every namespace declared in it, itself included. */
  readonly namespaces: readonly string[];
}

const [TAB, LF, SPACE, QUOTE, AND, APOSTROPHE, SLASH, LESS, EQUALS, GREATER, BRACKET] = [
  0x09, 0x0a, 0x20, 0x22, 0x26, 0x27, 0x2f, 0x3c, 0x3d, 0x3e, 0x5d,
] as const;
const NAME_START = 1;
const NAME = 2;
const TEXT = 4;
const VALUE = 8;
/** What a byte below 0x80 may be part of. */
const CLASSES = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code);
  let kind = 0;
  if (/[A-Za-z_]/.test(character)) kind |= NAME_START;
  if (/[A-Za-z0-9_.-]/.test(character)) kind |= NAME;
  if (code === TAB || code === LF || (code >= SPACE && !/[<&>]/.test(character))) kind |= TEXT;
  if (code >= SPACE && !/[<&"']/.test(character)) kind |= VALUE;
  return kind;
});
/** The predefined entities after their `&`. */
const ENTITIES = ['lt;', 'gt;', 'amp;', 'quot;', 'apos;'].map((text) => Buffer.from(text));
const XMLNS = 'xmlns';
const XML_LANG = 'xml:lang';
/** Names that XML itself reserves; a declaration of them is for the parser. */
const RESERVED = 'http://www.w3.org/';
/** In place of an offset: this is not plain. */
const NONE = -1;
/** In place of an offset: so far it is plain, but the bytes end here. */
const CUT = -2;
/** More attributes than this are compared in a slower way than here. */
const MAX_PLAIN_ATTRIBUTES = 16;

/** Scans one element at a time; an instance serves a stream. */
export class PlainScanner {
  /** Start and end of the name of each open tag. */
  readonly #open: number[] = [];
  /** Start and end of the attribute names of the tag under way. */
  readonly #names: number[] = [];
  #namespaces: string[] = [];
  #namespace: string | undefined;

  /** The element that begins at `at`; `other` when it is not plain or over a limit, `cut` when the bytes end within it. */
  scan(bytes: Buffer, at: number, limits: StreamLimits): PlainScan | 'other' | 'cut' {
    this.#open.length = 0;
    this.#namespaces = [];
    this.#namespace = undefined;
    let elements = 0;
    let next = at;
    do {
      if (bytes[next + 1] === SLASH) next = this.#endTag(bytes, next + 2);
      else {
        elements += 1;
        if (elements > limits.maxElements) return 'other';
        next = this.#startTag(bytes, next + 1, limits);
      }
      if (next >= 0 && this.#open.length > 0) next = skipText(bytes, next);
      if (next === CUT && bytes.length - at <= limits.maxElementLength) return 'cut';
      if (next < 0 || next - at > limits.maxElementLength) return 'other';
    } while (this.#open.length > 0);
    const name = bytes.toString('latin1', at + 1, skipName(bytes, at + 1));
    return { end: next, local: name, namespace: this.#namespace, namespaces: this.#namespaces };
  }

  /** After `<`. Returns the offset after `>`. */
  #startTag(bytes: Buffer, start: number, limits: StreamLimits): number {
    const end = skipName(bytes, start);
    if (end < 0) return end;
    if (this.#open.length / 2 >= limits.maxDepth) return NONE;
    this.#open.push(start, end);
    this.#names.length = 0;
    let at = end;
    for (;;) {
      const before = at;
      while (bytes[at] === SPACE || bytes[at] === LF || bytes[at] === TAB) at += 1;
      const code = bytes[at];
      if (code === GREATER) return at + 1;
      if (code === SLASH) {
        if (bytes[at + 1] !== GREATER) return at + 1 < bytes.length ? NONE : CUT;
        this.#open.length -= 2;
        return at + 2;
      }
      if (code === undefined) return CUT;
      if (at === before) return NONE;
      if (this.#names.length / 2 >= Math.min(limits.maxAttributes, MAX_PLAIN_ATTRIBUTES)) return NONE;
      at = this.#attribute(bytes, at);
      if (at < 0) return at;
    }
  }

  /** Returns the offset after the closing quote. */
  #attribute(bytes: Buffer, start: number): number {
    let end = skipName(bytes, start);
    if (end < 0) return end;
    if (bytes[end] !== EQUALS) {
      end = start + XML_LANG.length;
      if (end >= bytes.length) return CUT;
      if (bytes.toString('latin1', start, end) !== XML_LANG || bytes[end] !== EQUALS) return NONE;
    }
    if (this.#isRepeated(bytes, start, end)) return NONE;
    this.#names.push(start, end);
    const quote = bytes[end + 1];
    if (quote === undefined) return CUT;
    if (quote !== QUOTE && quote !== APOSTROPHE) return NONE;
    const valueEnd = skipValue(bytes, end + 2, quote);
    if (valueEnd < 0) return valueEnd;
    const isDeclaration = end - start === XMLNS.length && bytes.toString('latin1', start, end) === XMLNS;
    if (isDeclaration && !this.#declare(bytes.toString('latin1', end + 2, valueEnd))) return NONE;
    return valueEnd + 1;
  }

  /** False for a name that is not plain. */
  #declare(namespace: string): boolean {
    if (namespace === '' || !/^[!#-%(-;=?-~]+$/.test(namespace) || namespace.startsWith(RESERVED))
      return false;
    if (this.#open.length === 2) this.#namespace = namespace;
    this.#namespaces.push(namespace);
    return true;
  }

  #isRepeated(bytes: Buffer, start: number, end: number): boolean {
    const names = this.#names;
    for (let at = 0; at < names.length; at += 2) {
      const [from = 0, to = 0] = [names[at], names[at + 1]];
      if (to - from === end - start && isSame(bytes, from, start, end - start)) return true;
    }
    return false;
  }

  /** After `</`. Returns the offset after `>`. */
  #endTag(bytes: Buffer, start: number): number {
    const to = this.#open.pop();
    const from = this.#open.pop();
    if (to === undefined || from === undefined) return NONE;
    const length = to - from;
    if (start + length >= bytes.length) return CUT;
    if (!isSame(bytes, from, start, length) || bytes[start + length] !== GREATER) return NONE;
    return start + length + 1;
  }
}

function isSame(bytes: Buffer, one: number, other: number, length: number): boolean {
  for (let at = 0; at < length; at += 1) if (bytes[one + at] !== bytes[other + at]) return false;
  return true;
}

/** Offset after the name. */
function skipName(bytes: Buffer, start: number): number {
  if (start >= bytes.length) return CUT;
  let code = bytes[start]!;
  if (code > 0x7f || (CLASSES[code]! & NAME_START) === 0) return NONE;
  for (let at = start + 1; at < bytes.length; at += 1) {
    code = bytes[at]!;
    if (code > 0x7f || (CLASSES[code]! & NAME) === 0) return at;
  }
  return CUT;
}

/** Offset of the next `<`. */
function skipText(bytes: Buffer, start: number): number {
  let at = start;
  while (at >= 0 && at < bytes.length) {
    const code = bytes[at]!;
    if (code > 0x7f) at = skipCharacter(bytes, at);
    else if ((CLASSES[code]! & TEXT) !== 0) at += 1;
    else if (code === LESS) return at;
    else if (code === AND) at = skipEntity(bytes, at + 1);
    else if (code !== GREATER || (bytes[at - 1] === BRACKET && bytes[at - 2] === BRACKET)) return NONE;
    else at += 1;
  }
  return at < 0 ? at : CUT;
}

/** Offset of the closing quote. */
function skipValue(bytes: Buffer, start: number, quote: number): number {
  let at = start;
  while (at >= 0 && at < bytes.length) {
    const code = bytes[at]!;
    if (code > 0x7f) at = skipCharacter(bytes, at);
    else if ((CLASSES[code]! & VALUE) !== 0) at += 1;
    else if (code === quote) return at;
    else if (code === AND) at = skipEntity(bytes, at + 1);
    else if (code !== QUOTE && code !== APOSTROPHE) return NONE;
    else at += 1;
  }
  return at < 0 ? at : CUT;
}

function skipEntity(bytes: Buffer, start: number): number {
  for (const entity of ENTITIES) {
    let at = 0;
    while (at < entity.length && bytes[start + at] === entity[at]) at += 1;
    if (at === entity.length) return start + at;
    if (start + at >= bytes.length) return CUT;
  }
  return NONE;
}

/** Offset after a character of two to four bytes (RFC 3629 §4) that XML allows. */
function skipCharacter(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  const length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return NONE;
  for (let tail = at + 1; tail < at + length; tail += 1) {
    if (tail >= bytes.length) return CUT;
    if ((bytes[tail]! & 0xc0) !== 0x80) return NONE;
  }
  const second = bytes[at + 1]!;
  if (length === 3) {
    const code = ((first & 0x0f) << 12) | ((second & 0x3f) << 6) | (bytes[at + 2]! & 0x3f);
    if (code < 0x800 || (code >= 0xd800 && code <= 0xdfff) || code >= 0xfffe) return NONE;
  } else if (length === 4) {
    const high = ((first & 0x07) << 6) | (second & 0x3f);
    if (high < 0x10 || high > 0x10f) return NONE;
  }
  return at + length;
}
