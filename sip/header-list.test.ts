// Editing headers: what an edit touches and what it leaves as written.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitValues } from './comma-list.ts';
import { HeaderList } from './header-list.ts';
import type { HeaderLine } from './header-list.ts';
import { headerName } from './header-names.ts';
import { SipParseError } from './parse-error.ts';

// The same cases in every run: a failure must not depend on who runs it.
fc.configureGlobal({ seed: 3261 });

function list(...raws: string[]): HeaderList {
  return new HeaderList(
    raws.map((raw): HeaderLine => {
      const colon = raw.indexOf(':');
      return { key: headerName(raw.slice(0, colon).trim()).key, raw, valueStart: colon + 1 };
    }),
  );
}

function lines(headers: HeaderList): string[] {
  return headers.lines.map((line) => line.raw);
}

describe('editing', () => {
  const rows: readonly [name: string, before: string[], edit: (headers: HeaderList) => unknown, after: string[]][] = [
    ['prepend goes above the first of its kind', ['To: a', 'v: x', 'Via: y'], (h) => h.prepend('via', 'new'), ['To: a', 'Via: new', 'v: x', 'Via: y']],
    ['prepend to none goes on top', ['To: a'], (h) => h.prepend('Route', '<sip:r>'), ['Route: <sip:r>', 'To: a']],
    ['append goes below the last of its kind', ['Via: x', 'To: a'], (h) => h.append('Via', 'y'), ['Via: x', 'Via: y', 'To: a']],
    ['append of a new one goes last', ['To: a'], (h) => h.append('X-New', 'y'), ['To: a', 'X-New: y']],
    ['set replaces in place and removes the rest', ['Route: a', 'To: a', 'route : b'], (h) => h.set('Route', 'c'), ['Route: c', 'To: a']],
    ['setAll replaces in place', ['To: a', 'Route: a', 'From: b'], (h) => h.setAll('route', ['1', '2']), ['To: a', 'Route: 1', 'Route: 2', 'From: b']],
    ['setAll to none deletes', ['To: a', 'Route: a'], (h) => h.setAll('route', []), ['To: a']],
    ['delete by compact form', ['To: a', 'm: <sip:x>', 'CONTACT : <sip:y>'], (h) => h.delete('Contact'), ['To: a']],
    ['removeFirst of a combined line keeps the rest as written', ['Via:  a;x=1 ,  b;y="1,2" , c'], (h) => h.removeFirst('via'), ['Via: b;y="1,2" , c']],
    ['removeFirst of a single line removes it', ['v: a', 'Via: b'], (h) => h.removeFirst('via'), ['Via: b']],
    ['removeFirst looks into quotes and brackets', ['Route: "x,y" <sip:a,b@c;lr>;p=1,<sip:d>'], (h) => h.removeFirst('route'), ['Route: <sip:d>']],
    ['removeFirst of a header that is no list takes the line', ['Subject: a, b', 'Subject: c'], (h) => h.removeFirst('subject'), ['Subject: c']],
    ['replaceFirst leaves further values', ['v :  a , b'], (h) => h.replaceFirst('Via', 'new;received=1'), ['v :  new;received=1, b']],
    ['replaceFirst of none adds', ['To: a'], (h) => h.replaceFirst('Via', 'new'), ['Via: new', 'To: a']],
    ['strip takes all spellings', ['X-A : 1', 'To: a', 'x-a: 2'], (h) => h.strip(new Set(['x-a'])), ['To: a']],
    ['stripWhere picks by key', ['P-Asserted-Identity: 1', 'To: a', 'p-x: 2'], (h) => h.stripWhere((key) => key.startsWith('p-')), ['To: a']],
  ]; // prettier-ignore

  it.each(rows)('%s', (_name, before, edit, after) => {
    const headers = list(...before);
    const untouched = headers.clone();
    edit(headers);
    expect(lines(headers)).toEqual(after);
    expect(headers.isEdited).toBe(true);
    expect(lines(untouched)).toEqual(before);
  });

  it('says what it removed', () => {
    const headers = list('Route: <sip:a;lr> , <sip:b>');
    expect(headers.removeFirst('Route')).toBe('<sip:a;lr>');
    expect(headers.removeFirst('Route')).toBe('<sip:b>');
    expect(headers.removeFirst('Route')).toBeUndefined();
    expect(headers.delete('Route')).toBe(0);
  });

  it('leaves the message faithful when nothing was there to delete', () => {
    const headers = list('To: a');
    headers.delete('Route');
    headers.strip(new Set(['route']));
    expect(headers.isEdited).toBe(false);
  });

  const breaking = ['a\r\nX: y', 'a\nX: y', 'a\rb', 'a\0b', 'a\u010D\u010AX: y', 'a\u{1F600}'];
  it.each(breaking)('refuses a value that would break out of its line: %j', (value) => {
    const headers = list('To: a', 'Via: x');
    for (const edit of [
      () => headers.set('X', value),
      () => headers.append('X', value),
      () => headers.prepend('X', value),
      () => headers.replaceFirst('Via', value),
      () => headers.setAll('X', [value]),
    ]) {
      expect(edit).toThrow(SipParseError);
    }
    expect(() => headers.set('X\r\nY', 'v')).toThrow(SipParseError);
    expect(lines(headers)).toEqual(['To: a', 'Via: x']);
  });

  it('forgets a parsed value when its header is edited, and only then', () => {
    const headers = list('CSeq: 1 X', 'To: a');
    let parses = 0;
    const read = (): string => headers.parsed('cseq', (all) => `${++parses} ${all.get('cseq')}`);
    expect([read(), read()]).toEqual(['1 1 X', '1 1 X']);
    headers.set('To', 'b');
    expect(read()).toBe('1 1 X');
    headers.set('cseq', '2 X');
    expect(read()).toBe('2 2 X');
  });
});

describe('reading', () => {
  it('splits list headers only', () => {
    const headers = list(
      'Supported: a, b',
      'k:c',
      'Subject: x, y',
      'WWW-Authenticate: Digest realm="a", nonce="b"',
    );
    expect(headers.getAll('supported')).toEqual(['a', 'b', 'c']);
    expect(headers.getAll('subject')).toEqual(['x, y']);
    expect(headers.getAll('www-authenticate')).toHaveLength(1);
    expect([headers.first('supported'), headers.get('supported'), headers.countLines('Supported')]).toEqual([
      'a',
      'a, b',
      2,
    ]);
  });

  it.each(['a,,b', ',a', 'a,', 'a, ,b', '"a'])('refuses an empty or broken list: %j', (text) => {
    expect(() => splitValues(`${text},`)).toThrow(SipParseError);
  });

  it('takes an empty line as a list of none only where the grammar has one', () => {
    const headers = list('Supported:', 'k: a', 'Route: ', 'Allow:');
    expect([headers.getAll('supported'), headers.getAll('allow'), headers.getAll('route')]).toEqual([
      ['a'],
      [],
      [''],
    ]);
  });

  it('splits back what was joined', () => {
    const value = fc.oneof(
      fc.stringMatching(/^[a-z0-9;=]{1,10}$/),
      fc.stringMatching(/^"([a-z, <>]|\\["\\]){0,10}" <sip:[a-z,]{1,8}>$/),
    );
    fc.assert(
      fc.property(
        fc.array(value, { minLength: 1, maxLength: 8 }),
        fc.constantFrom(',', ', ', ' ,\t'),
        (values, comma) => {
          expect(splitValues(values.join(comma))).toEqual(values);
        },
      ),
    );
  });

  it('knows compact forms in both cases', () => {
    for (const [short, long] of [
      ['v', 'via'],
      ['V', 'via'],
      ['i', 'call-id'],
      ['M', 'contact'],
      ['k', 'supported'],
      ['x', 'session-expires'],
    ] as const) {
      expect(headerName(short).key).toBe(long);
    }
  });
});
