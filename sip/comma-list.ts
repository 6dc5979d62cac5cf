// Values of a list header on one line: `value *(COMMA value)`, RFC 3261 §7.3.1. A comma inside a quoted string or
// between angle brackets does not separate. One pass, no backtracking.

import { skipBlank, skipBlankBack, skipQuoted } from './characters.ts';
import { SipParseError } from './parse-error.ts';

/** Index of the comma that ends the value starting at `from`, or the end of the text. */
export function valueEnd(text: string, from: number): number {
  let bracketed = false;
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22 && !bracketed) {
      at = skipQuoted(text, at) - 1;
      if (at < 0) throw new SipParseError('value', 'Unterminated Quoted String');
    } else if (code === 0x3c) bracketed = true;
    else if (code === 0x3e) bracketed = false;
    else if (code === 0x2c && !bracketed) return at;
  }
  return text.length;
}

/** Splits a line's value at its top-level commas; blanks around values go, empty values (`a,,b`) are refused. */
export function splitValues(text: string): string[] {
  if (!text.includes(',')) return [text];
  const values: string[] = [];
  for (let from = 0; from <= text.length;) {
    const end = valueEnd(text, from);
    const start = skipBlank(text, from, end);
    const stop = skipBlankBack(text, end, start);
    if (stop === start) throw new SipParseError('value', 'Empty Value In List');
    values.push(text.slice(start, stop));
    from = end + 1;
  }
  return values;
}
