import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalPath, canonicalTarget } from './canonical-path.ts';
import { HttpError } from './http-error.ts';

describe('one spelling', () => {
  const rows: [name: string, target: string, canonical: string][] = [
    ['root', '/', '/'],
    ['plain', '/cucm-uds/user/emusk/devices', '/cucm-uds/user/emusk/devices'],
    ['slash at the end', '/a/', '/a/'],
    ['empty segments', '//a///b//', '/a/b/'],
    ['only slashes', '///', '/'],
    ['unreserved encoded', '/%61%7E%2d%5F%2E%41', '/a~-_.A'],
    ['three dots', '/.../a', '/.../a'],
    ['dot file', '/.well-known/x', '/.well-known/x'],
    ['lower-case hexadecimal', '/a%3ab%c3%a9', '/a%3Ab%C3%A9'],
    ['reserved stays encoded', '/a%3Db%26', '/a%3Db%26'],
    ['reserved stays plain', "/a=b&c@d:e!$'()*+,", "/a=b&c@d:e!$'()*+,"],
    ['space', '/a%20b', '/a%20b'],
    ['percent itself', '/100%25', '/100%25'],
    ['visible characters that want encoding', '/a"<>[]^`{|}', '/a%22%3C%3E%5B%5D%5E%60%7B%7C%7D'],
    ['query untouched', '/a?b=c&d=e/f?g;h', '/a?b=c&d=e/f?g;h'],
    ['empty query', '/a?', '/a?'],
    ['query: unreserved encoded', '/a?%61=%62%2d', '/a?a=b-'],
    ['query: reserved stays as it is', '/a?x=%26%3d+%2B', '/a?x=%26%3D+%2B'],
    ['query: nested URL', '/a?u=https%3A%2F%2Fb%2Fc%3Fd%252F', '/a?u=https%3A%2F%2Fb%2Fc%3Fd%252F'],
    ['query: visible characters that want encoding', '/a?x="[1]"|{2}', '/a?x=%22%5B1%5D%22%7C%7B2%7D'],
    ['query: dots and slashes are data', '/a?../b//c', '/a?../b//c'],
  ];
  test.each(rows)('%s', (_name, target, canonical) => {
    expect(canonicalTarget(target).target).toBe(canonical);
  });
});

/** Paths as an attacker composes them: delimiters, their encodings, and their encodings' encodings. */
const piece = fc.oneof(
  fc.constantFrom(
    '/',
    '//',
    '.',
    '..',
    '%2e',
    '%2E%2e',
    '%2f',
    '%5c',
    '\\',
    ';',
    '%3b',
    '%00',
    '%25',
    '%252f',
    '%c0%af',
    '%c3%a9',
  ),
  fc.constantFrom(
    '%ef%bc%8f',
    '%e2%80%ae',
    '?',
    '#',
    '%',
    ':',
    '@',
    '%3A',
    '%20',
    '+',
    '%2B',
    '[',
    '|',
    'cucm-uds',
    'A',
    'a',
  ),
  fc.string({ maxLength: 4 }),
);
const path = fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`);

function canonicalOr(target: string): string | undefined {
  try {
    return canonicalPath(target);
  } catch (error) {
    expect(error).toBeInstanceOf(HttpError);
    expect(error).toMatchObject({ status: 400, reason: 'target' });
    return undefined;
  }
}

describe('properties', () => {
  test('canonical is canonical: a second pass changes nothing', () => {
    fc.assert(
      fc.property(path, (target) => {
        const once = canonicalOr(target);
        if (once !== undefined) expect(canonicalPath(once)).toBe(once);
      }),
      { numRuns: 2000 },
    );
  });

  test('a WHATWG parser reads the same path from it, byte for byte', () => {
    fc.assert(
      fc.property(path, (target) => {
        const canonical = canonicalOr(target);
        if (canonical !== undefined) expect(new URL(`http://inside${canonical}`).pathname).toBe(canonical);
      }),
      { numRuns: 2000 },
    );
  });

  test('its segments mean what the segments received meant, and none can climb or split', () => {
    fc.assert(
      fc.property(path, (target) => {
        const canonical = canonicalOr(target);
        if (canonical === undefined) return;
        const meant = (text: string): string[] =>
          text
            .split('/')
            .filter((segment) => segment !== '')
            .map(decodeURIComponent);
        expect(meant(canonical)).toEqual(meant(target));
        for (const segment of meant(canonical)) expect(segment).not.toMatch(/^\.\.?$|[/\\;\u0000]/);
      }),
      { numRuns: 2000 },
    );
  });

  test('the query keeps its meaning', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string({ unit: 'grapheme' })), (values) => {
        fc.pre(!/%0[0DA]/i.test(new URLSearchParams(values).toString()));
        const query = new URLSearchParams(values).toString();
        const canonical = canonicalTarget(`/a?${query}`);
        expect(new URLSearchParams(canonical.query)).toEqual(new URLSearchParams(query));
      }),
    );
  });
});
