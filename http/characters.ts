// The character classes of RFC 9110 §5.6.2 and RFC 3986 §2-3 as 256-entry tables, one look-up per byte.

/** 1 = letter, digit or `-`: 2 = any other token character: 0 = not a token character (RFC 9110 §5.6.2). */
export const TOKEN: Uint8Array = table((mark) => {
  mark("!#$%&'*+.^_`|~", 2);
  mark('-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', 1);
});

/** 1 = may stand in a path as it is; `.` and `/` need a second look and are 2; everything else is 0. */
export const PLAIN_PATH: Uint8Array = table((mark) => {
  mark("-_~!$&'()*+,=:@0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 1);
  mark('./', 2);
});

/** 1 = may stand in a query as it is (RFC 3986 §3.4). */
export const PLAIN_QUERY: Uint8Array = table((mark) => {
  mark("-_~!$&'()*+,=:@;./?0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", 1);
});

/** 1 = unreserved (RFC 3986 §2.3): percent-encoded and plain forms mean the same. */
export const UNRESERVED: Uint8Array = table((mark) => {
  mark('-._~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ', 1);
});

/** The value of a hexadecimal digit's byte, or 255. */
export const HEX_VALUE: Uint8Array = (() => {
  const values = new Uint8Array(256).fill(255);
  for (let digit = 0; digit < 16; digit++) {
    values[digit.toString(16).charCodeAt(0)] = digit;
    values[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
  }
  return values;
})();

function table(fill: (mark: (characters: string, value: number) => void) => void): Uint8Array {
  const cells = new Uint8Array(256);
  fill((characters, value) => {
    for (const character of characters) cells[character.charCodeAt(0)] = value;
  });
  return cells;
}
