import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { canonicalDomain, domainOf } from './domain.ts';

it.each([
  ['example.com', 'example.com'],
  ['Chat.EXAMPLE.com', 'chat.example.com'],
  ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ['a1.b2', 'a1.b2'],
  [undefined, undefined],
  ['', undefined],
  ['com', undefined],
  ['localhost', undefined],
  ['example.com.', undefined],
  ['.example.com', undefined],
  ['a..b', undefined],
  ['-a.example', undefined],
  ['a_b.example', undefined],
  ['bücher.example', undefined],
  ['ｅxample.com', undefined],
  ['example.com\0.evil.test', undefined],
  [' example.com', undefined],
  ['127.0.0.1', undefined],
  ['1.2.3.0x4', '1.2.3.0x4'],
  ['[::1]', undefined],
  [`${'a'.repeat(64)}.example`, undefined],
  [`${'a.'.repeat(127)}example`, undefined],
])('domain %j is %j', (text, expected) => {
  expect(canonicalDomain(text)).toBe(expected);
});

it.each([
  ['example.com', 'example.com'],
  ['alice@Example.com/desk', 'example.com'],
  ['alice@example.com', 'example.com'],
  ['example.com/a@b.test', 'example.com'],
  ['alice@example.com/x/y@z', 'example.com'],
  ['alice@evil.test@example.com', undefined],
  ['@example.com', undefined],
  ['alice@example.com/', undefined],
  ['al ice@example.com', undefined],
  ['al\u0000ice@example.com', undefined],
  ['"a"@example.com', undefined],
  [`${'a'.repeat(1024)}@example.com`, undefined],
  [`a@example.com/${'é'.repeat(600)}`, undefined],
  ['', undefined],
  [undefined, undefined],
])('the domain of %j is %j', (address, expected) => {
  expect(domainOf(address)).toBe(expected);
});

it('is its own canonical form, and reads any text without throwing', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom('a', 'A', '1', '-', '_', '@', '.', '/', ':', ' ', 'é', '\0', '٣') }),
      (text) => {
        const domain = domainOf(text);
        if (domain !== undefined) {
          expect(canonicalDomain(domain)).toBe(domain);
          expect(text.toLowerCase()).toContain(domain);
        }
      },
    ),
  );
});
