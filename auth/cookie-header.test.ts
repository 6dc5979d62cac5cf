import { describe, expect, test } from 'vitest';
import { printSetCookie, readXAuth, stripXAuth } from './cookie-header.ts';

describe('Set-Cookie', () => {
  const at = Date.UTC(2014, 4, 9, 20, 21, 31);
  test.each([
    [
      true,
      true,
      'X-Auth=abc; Expires=Fri, 09 May 2014 20:21:31 GMT; Domain=.vngtp.lab; Path=/; Secure; HttpOnly',
    ],
    [true, false, 'X-Auth=abc; Expires=Fri, 09 May 2014 20:21:31 GMT; Domain=.vngtp.lab; Path=/; Secure'],
    [false, true, 'X-Auth=abc; Domain=.vngtp.lab; Path=/; Secure; HttpOnly'],
  ])('expires %s, http only %s', (expires, httpOnly, line) => {
    expect(printSetCookie('abc', at, { domain: 'vngtp.lab', expires, httpOnly })).toBe(line);
  });
});

describe('reading', () => {
  const rows: [name: string, lines: string[], value: string | undefined][] = [
    ['no line', [], undefined],
    ['another cookie', ['JSESSIONIDSSO=1'], undefined],
    ['alone', ['X-Auth=abc'], 'abc'],
    ['among others', ['a=1; X-Auth=abc;b=2'], 'abc'],
    ['on its own line', ['a=1', 'X-Auth=abc'], 'abc'],
    ['twice the same', ['X-Auth=abc; X-Auth=abc'], 'abc'],
    ['twice, different', ['X-Auth=abc; X-Auth=def'], ''],
    ['different in case', ['X-Auth=abc; x-auth=def'], ''],
    ['without value', ['X-Auth'], 'X-Auth'],
    ['in the name of another', ['NotX-Auth=abc'], undefined],
  ];
  test.each(rows)('%s', (_name, lines, value) => {
    expect(readXAuth(lines)).toBe(value);
  });
});

describe('stripping', () => {
  const rows: [name: string, line: string, rest: string | undefined][] = [
    ['alone', 'X-Auth=abc', undefined],
    ['not there', 'a=1;  b=2', 'a=1;  b=2'],
    ['first', 'X-Auth=abc; a=1', 'a=1'],
    ['last', 'a=1; X-Auth=abc', 'a=1'],
    ['every case and repetition', 'x-auth=1; a=1; X-AUTH=2 ; X-Auth', 'a=1'],
    ['blank before the sign', 'X-Auth =abc; a=1', 'a=1'],
    ['other names stay', 'X-Authority=1; NX-Auth=2', 'X-Authority=1; NX-Auth=2'],
  ];
  test.each(rows)('%s', (_name, line, rest) => {
    expect(stripXAuth(line)).toBe(rest);
  });
});
