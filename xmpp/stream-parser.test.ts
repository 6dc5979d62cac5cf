import * as fc from 'fast-check';
import { Element } from 'ltx';
import { describe, expect, it } from 'vitest';
import { StreamError } from './stream-error.ts';
import { printHeader } from './stream-header.ts';
import { type StreamEvent, type StreamLimits, StreamParser } from './stream-parser.ts';

const LIMITS: StreamLimits = { maxElementLength: 1000, maxDepth: 5, maxAttributes: 5, maxElements: 20 };
const OPEN = printHeader({ to: 'example.com' });
const A = 'a'.repeat(1000);

/** What a stream that arrives in these pieces becomes: events in short, and how it failed. */
function parse(pieces: readonly (string | Buffer)[], limits: StreamLimits = LIMITS): string[] {
  const parser = new StreamParser(limits);
  const seen: string[] = [];
  const emit = (event: StreamEvent): void => {
    if (event.kind === 'element') seen.push(`{${event.namespace}}${event.local} ${event.element.toString()}`);
    else seen.push(event.kind === 'open' ? `open to ${event.header.to}` : 'close');
  };
  try {
    for (const piece of pieces) parser.write(Buffer.from(piece), emit);
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    seen.push(`${error.condition} (${error.fault})`);
  }
  return seen;
}

describe('what a stream becomes', () => {
  it.each([
    [
      'a stanza',
      ['<message to="b"><body>x</body></message>'],
      ['{jabber:client}message <message to="b"><body>x</body></message>'],
    ],
    ['two in one piece', ['<a/><b/>'], ['{jabber:client}a <a/>', '{jabber:client}b <b/>']],
    ['one in pieces', ['<a>é', '</', 'a', '>'], ['{jabber:client}a <a>é</a>']],
    [
      'space between stanzas',
      [' \n', '<a/>', '\t \r\n', ' ', '<b/>'],
      ['{jabber:client}a <a/>', '{jabber:client}b <b/>'],
    ],
    [
      'entities that XML has',
      ['<a b="&quot;&apos;">&lt;&amp;&gt;&#x41;</a>'],
      ['{jabber:client}a <a b="&quot;&apos;">&lt;&amp;&gt;A</a>'],
    ],
    ['character data', ['<a><![CDATA[<x>&]]></a>'], ['{jabber:client}a <a>&lt;x&gt;&amp;</a>']],
    ['a foreign namespace', ['<r xmlns="urn:xmpp:sm:3"/>'], ['{urn:xmpp:sm:3}r <r xmlns="urn:xmpp:sm:3"/>']],
    [
      'a prefix of its own',
      ['<x:a xmlns:x="urn:x"><x:b/></x:a>'],
      ['{urn:x}a <x:a xmlns:x="urn:x"><x:b/></x:a>'],
    ],
    ['the end', ['</stream:stream>'], ['close']],
  ])('%s', (_name, pieces, expected) => {
    expect(parse([OPEN, ...pieces])).toEqual(['open to example.com', ...expected]);
  });

  it('declares in each element what the stream declared for all', () => {
    const open = OPEN.replace(' version="1.0">', ' xmlns:x="urn:x" version="1.0">');
    expect(parse([open, '<x:a/><b xmlns:x="urn:y"><x:c/></b>'])).toEqual([
      'open to example.com',
      '{urn:x}a <x:a xmlns:x="urn:x"/>',
      '{jabber:client}b <b xmlns:x="urn:y"><x:c/></b>',
    ]);
  });

  it('takes streams as default namespace, with the content namespace at each stanza', () => {
    const open = '<stream xmlns="http://etherx.jabber.org/streams" to="example.com" version="1.0">';
    expect(parse([open, '<message xmlns="jabber:client"/>', '<features/>'])).toEqual([
      'open to example.com',
      '{jabber:client}message <message xmlns="jabber:client"/>',
      '{http://etherx.jabber.org/streams}features <features xmlns="http://etherx.jabber.org/streams"/>',
    ]);
  });

  it('knows whether a next element has begun', () => {
    const parser = new StreamParser(LIMITS);
    const between = (piece: string): boolean => {
      parser.write(Buffer.from(piece), () => undefined);
      return parser.isBetweenElements;
    };
    expect([OPEN, '<a/>', ' ', '<', 'b', '/>', '<c/><', 'd/> \n'].map(between)).toEqual([
      true,
      true,
      true,
      false,
      false,
      true,
      false,
      true,
    ]);
  });
});

describe('what ends a stream', () => {
  it.each([
    ['a document type (T-082)', ['<!DOCTYPE a>'], 'not-well-formed (syntax)'],
    [
      'a bomb of entities',
      ['<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]>'],
      'not-well-formed (syntax)',
    ],
    ['a comment', ['<!-- x -->'], 'restricted-xml (forbidden-xml)'],
    ['a comment in pieces', ['<!', '-', '- x -', '-', '>'], 'restricted-xml (forbidden-xml)'],
    ['a comment in a stanza', ['<a><!-- x --></a>'], 'restricted-xml (forbidden-xml)'],
    ['a processing instruction', ['<?php x?>'], 'restricted-xml (forbidden-xml)'],
    ['an entity that XML has not', ['<a>&nbsp;</a>'], 'not-well-formed (syntax)'],
    ['a second declaration', ['<?xml version="1.0"?>'], 'not-well-formed (syntax)'],
    ['tags that do not match', ['<a></b>'], 'not-well-formed (syntax)'],
    ['an end of the stream that is none', ['</stream:streams>'], 'not-well-formed (syntax)'],
    ['an attribute without quotes', ['<a b=c/>'], 'not-well-formed (syntax)'],
    ['an attribute twice', ['<a b="1" b="2"/>'], 'not-well-formed (syntax)'],
    [
      'an attribute twice by namespace',
      ['<a xmlns:x="u" xmlns:y="u" x:b="" y:b=""/>'],
      'not-well-formed (syntax)',
    ],
    ['a prefix of nobody', ['<x:a/>'], 'not-well-formed (syntax)'],
    ['a control character', ['<a>\u0001</a>'], 'not-well-formed (syntax)'],
    ['a NUL', ['\0'], 'not-well-formed (syntax)'],
    ['half a surrogate by number', ['<a>&#xD800;</a>'], 'not-well-formed (syntax)'],
    ['text between stanzas', ['hello<a/>'], 'bad-format (syntax)'],
    ['bytes that are not UTF-8', [Buffer.from([0x3c, 0x61, 0x3e, 0xff])], 'unsupported-encoding (encoding)'],
    ['UTF-8 longer than it need be', [Buffer.from([0xc0, 0xbc])], 'unsupported-encoding (encoding)'],
    ['too long a text (T-080)', [`<a>${A}</a>`], 'policy-violation (length)'],
    [
      'too long a text that never ends',
      [`<a>${A.slice(0, 600)}`, A.slice(0, 600)],
      'policy-violation (length)',
    ],
    ['too long an attribute', [`<a b="${A}"/>`], 'policy-violation (length)'],
    ['too long a name', [`<${A}/>`], 'policy-violation (length)'],
    ['too long a name that never ends', [`<${A}`, A], 'policy-violation (length)'],
    ['too deep', ['<a>'.repeat(6)], 'policy-violation (depth)'],
    ['too many attributes', ['<a b="" c="" d="" e="" f="" g=""/>'], 'policy-violation (attributes)'],
    [
      'too many declarations',
      ['<a xmlns:b="b" xmlns:c="c" xmlns:d="d" xmlns:e="e" xmlns:f="f" xmlns:g="g"/>'],
      'policy-violation (attributes)',
    ],
    ['too many elements', [`<a>${'<b/>'.repeat(20)}</a>`], 'policy-violation (elements)'],
  ])('%s', (_name, pieces, expected) => {
    expect(parse([OPEN, ...pieces])).toEqual(['open to example.com', expected]);
  });

  it.each([
    ['not a stream', '<a>', 'invalid-namespace (header)'],
    ['servers', OPEN.replace('jabber:client', 'jabber:server'), 'invalid-namespace (header)'],
    ['no namespace of streams', OPEN.replace('etherx', 'other'), 'invalid-namespace (header)'],
    ['another element of streams', OPEN.replace('<stream:stream', '<stream:features'), 'bad-format (header)'],
    ['version 0.9', OPEN.replace('version="1.0">', 'version="0.9">'), 'unsupported-version (header)'],
    ['no version', OPEN.replace('version="1.0">', '>'), 'unsupported-version (header)'],
    ['another encoding', OPEN.replace('?>', ' encoding="UTF-16"?>'), 'unsupported-encoding (encoding)'],
    ['HTTP', 'GET / HTTP/1.1\r\n', 'not-well-formed (syntax)'],
    ['a document type first', '<!DOCTYPE stream>', 'restricted-xml (forbidden-xml)'],
    ['a header without end', `<stream:stream x="${A}${A}`, 'policy-violation (length)'],
  ])('a header: %s', (_name, header, expected) => {
    expect(parse([header])).toEqual([expected]);
  });

  it('is final', () => {
    const parser = new StreamParser(LIMITS);
    const write = (text: string) => () => parser.write(Buffer.from(text), () => undefined);
    expect(write('<a>')).toThrow(StreamError);
    expect(write(OPEN)).toThrow('failed already');
  });
});

describe('limits are those of one element', () => {
  it('a session of any length stays within them', () => {
    const stanza = `<message><body>${'x'.repeat(900)}</body></message>`;
    expect(parse([OPEN, ...Array.from({ length: 50 }, () => stanza)])).toHaveLength(51);
  });

  it('space that keeps a connection alive never adds up', () => {
    expect(parse([OPEN, ...Array.from({ length: 5000 }, () => ' '), '<a/>'])).toHaveLength(2);
  });
});

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,6}$/);
const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((value) =>
  // What XML can say at all, and line ends as XML reads them.
  value.replaceAll(/[^\t\n\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, ''),
);
const attributes = fc.dictionary(
  name,
  text.map((value) => value.replaceAll(/[\t\n]/g, ' ')),
  { maxKeys: 3 },
);
const { element } = fc.letrec<{ element: Element }>((tie) => ({
  element: fc
    .tuple(name, attributes, fc.array(fc.oneof({ maxDepth: 3 }, text, tie('element')), { maxLength: 4 }))
    .map(([tag, values, children]) => {
      const made = new Element(tag, values);
      for (const child of children) {
        if (typeof child !== 'string') made.cnode(child);
        else if (child !== '') made.t(child);
      }
      return made;
    }),
}));
const WIDE: StreamLimits = { maxElementLength: 100_000, maxDepth: 50, maxAttributes: 20, maxElements: 1000 };

/** Cuts text into pieces at byte positions, also inside characters. */
function cut(whole: string, at: readonly number[]): Buffer[] {
  const bytes = Buffer.from(whole);
  const places = [0, ...at.map((n) => n % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((end, n) => bytes.subarray(places[n], end));
}

describe('for any stream', () => {
  it('what is printed is what is parsed, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(element, { maxLength: 3 }),
        fc.array(fc.nat(), { maxLength: 8 }),
        (elements, at) => {
          const stream = OPEN + elements.map(String).join('');
          const expected = elements.map((one) => `{jabber:client}${one.name} ${one.toString()}`);
          expect(parse(cut(stream, at), WIDE)).toEqual(['open to example.com', ...expected]);
        },
      ),
    );
  });

  it('the only error is a StreamError, and cutting changes nothing', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '<',
        '>',
        '/',
        '</a>',
        '<a>',
        '&',
        ';',
        '"',
        "'",
        '=',
        '<!',
        '--',
        '<?',
        '?>',
        ']]>',
        ' xmlns:b="c"',
        ' ',
      ),
      text,
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 5 }), (pieces, at) => {
        const stream = OPEN + pieces.join('');
        const whole = parse([stream]);
        const inPieces = parse(cut(stream, at));
        expect(inPieces).toEqual(whole);
      }),
    );
  });

  it('any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void parse([OPEN, Buffer.from(bytes)])),
    );
  });
});
