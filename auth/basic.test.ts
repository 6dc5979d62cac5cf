import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseBasic, printBasic } from './basic.ts';

const basic = (text: string | Buffer): string =>
  `Basic ${Buffer.from(text as string, 'utf8').toString('base64')}`;

describe('read', () => {
  const rows: [name: string, header: string, user: string, password: string][] = [
    ['plain', basic('alice:secret'), 'alice', 'secret'],
    ['scheme in other case', 'bAsIc YTpi', 'a', 'b'],
    ['colons in the password', basic('alice:a:b:c'), 'alice', 'a:b:c'],
    ['empty password', basic('alice:'), 'alice', ''],
    ['UTF-8', basic('zoë:pässwörd€'), 'zoë', 'pässwörd€'],
    ['user with a domain', basic('alice@example.com:x'), 'alice@example.com', 'x'],
    ['spaces in the password', basic('alice: x '), 'alice', ' x '],
    ['no padding', 'Basic YTpiYw', 'a', 'bc'],
    ['several blanks before the token', 'Basic   YTpi', 'a', 'b'],
  ];
  test.each(rows)('%s', (_name, header, user, password) => {
    expect(parseBasic(header)).toEqual({ kind: 'basic', credentials: { user, password } });
  });
});

describe('not read', () => {
  const rows: [name: string, header: string | undefined, kind: string][] = [
    ['nothing', undefined, 'missing'],
    ['empty', '', 'malformed'],
    ['bearer', 'Bearer abc.def', 'other-scheme'],
    ['negotiate alone', 'Negotiate', 'other-scheme'],
    ['scheme alone', 'Basic', 'other-scheme'],
    ['no token', 'Basic ', 'malformed'],
    ['not base64', 'Basic a:b', 'malformed'],
    ['base64url', `Basic ${Buffer.from('a:ÿÿÿ>').toString('base64url')}`, 'malformed'],
    ['bits past the end', 'Basic YTpiYz==', 'malformed'],
    ['two tokens', 'Basic YTpi YTpi', 'malformed'],
    ['no colon', basic('alice'), 'malformed'],
    ['no user', basic(':secret'), 'malformed'],
    ['not UTF-8', `Basic ${Buffer.from([0x61, 0x3a, 0xff]).toString('base64')}`, 'malformed'],
    ['overlong UTF-8', `Basic ${Buffer.from([0x61, 0xc0, 0xba, 0x3a]).toString('base64')}`, 'malformed'],
    ['NUL in the user', basic('al\0ice:x'), 'malformed'],
    ['line break in the password', basic('alice:x\r\ny'), 'malformed'],
    ['slash in the user', basic('alice/../bob:x'), 'malformed'],
    ['backslash in the user', basic('dom\\alice:x'), 'malformed'],
    ['percent in the user', basic('%62ob:x'), 'malformed'],
    ['user that is a dot segment', basic('..:x'), 'malformed'],
    ['bidi control in the user', basic('a\u202eb:x'), 'malformed'],
    ['user too long', basic(`${'a'.repeat(129)}:x`), 'malformed'],
    ['password too long', basic(`a:${'x'.repeat(257)}`), 'malformed'],
    ['header too long', `Basic ${'A'.repeat(3000)}`, 'malformed'],
  ];
  test.each(rows)('%s', (_name, header, kind) => {
    expect(parseBasic(header)).toEqual({ kind });
  });
});

test('what is printed is read back', () => {
  const user = fc.stringMatching(/^[a-zA-Z0-9._@-]{1,60}$/).filter((text) => text !== '.' && text !== '..');
  const password = fc
    .string({ unit: 'grapheme', maxLength: 60 })
    .filter((text) => !/[\u0000-\u001f\u007f]/.test(text));
  fc.assert(
    fc.property(user, password, (user, password) => {
      expect(parseBasic(printBasic({ user, password }))).toEqual({
        kind: 'basic',
        credentials: { user, password },
      });
    }),
  );
});

test('never throws', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.base64String().map((text) => `Basic ${text}`),
      ),
      (header) => {
        expect(['basic', 'missing', 'malformed', 'other-scheme']).toContain(parseBasic(header).kind);
      },
    ),
  );
});
