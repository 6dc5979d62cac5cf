import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NS_CLIENT, NS_STREAMS } from './namespaces.ts';
import { StanzaStream } from './stanza-stream.ts';
import { StreamError } from './stream-error.ts';
import { type StreamEvent, type StreamLimits, StreamParser } from './stream-parser.ts';
import { wireOf } from './wire-batch.ts';

const LIMITS: StreamLimits = { maxElementLength: 400, maxDepth: 5, maxAttributes: 6, maxElements: 12 };
const OPEN = `<stream:stream xmlns="${NS_CLIENT}" xmlns:stream="${NS_STREAMS}" version="1.0">`;

type Reader = Pick<StreamParser, 'write'>;

const REFUSED = 'refused';

/** Everything that is told of the chunks, and whether the stream is refused in the end. */
function told(reader: Reader, chunks: readonly Buffer[]): string[] {
  const lines: string[] = [];
  const emit = (event: StreamEvent): void => {
    if (event.kind === 'element') lines.push(`${event.namespace} ${event.local} ${event.element.toString()}`);
    else lines.push(event.kind);
  };
  try {
    for (const chunk of chunks) reader.write(chunk, emit);
  } catch (error) {
    if (!(error instanceof StreamError)) throw error;
    lines.push(REFUSED);
  }
  return lines;
}

/** Whether each element was passed on as it came. */
function sliced(text: string, open = OPEN): boolean[] {
  const stream = new StanzaStream(LIMITS);
  const seen: boolean[] = [];
  const emit = (event: StreamEvent): void => {
    if (event.kind === 'element') seen.push(event.source !== undefined);
  };
  stream.write(Buffer.from(open), emit);
  stream.write(Buffer.from(text), emit);
  return seen;
}

describe('stanzas as slices of what came in', () => {
  it.each([
    ['<message/>'],
    [`<message to='a@b' type="chat"><body>hello</body></message>`],
    [`<message to='a@b'\n\ttype="chat" ><body >é 😀 &lt;&amp;&gt;&quot;&apos; ] ]] ></body></message>`],
    [`<iq><query xmlns='jabber:iq:roster'><item jid="a@b"/></query></iq>`],
    [`<message xml:lang='en'><body xml:lang="fr">x</body></message>`],
    [`<r xmlns='urn:xmpp:sm:3'/>`],
    [`<presence a="it's" b='say "x"'/>`],
  ])('passes %s', (text) => {
    expect(sliced(text)).toEqual([true]);
  });

  it.each([
    ['a prefix', `<x:message xmlns:x='${NS_CLIENT}'/>`],
    ['a prefix inside', `<message><x:y xmlns:x='urn:y'/></message>`],
    ['a prefixed attribute', `<message xmlns:y='urn:y' y:z='1'/>`],
    ['a character reference', '<message><body>&#65;</body></message>'],
    ['CDATA', '<message><body><![CDATA[x]]></body></message>'],
    ['a carriage return', '<message><body>\r\n</body></message>'],
    ['a line break in a value', `<message a='\n'/>`],
    ['space around an equals sign', `<message a = 'x'/>`],
    ['space in an end tag', '<message></message >'],
    ['a name beyond ASCII', '<é/>'],
    ['a namespace that is empty', `<message><body xmlns=''/></message>`],
  ])('leaves %s to the parser', (_name, text) => {
    expect(sliced(text).includes(true)).toBe(false);
  });

  it('leaves everything to the parser where the default namespace is another', () => {
    const open = `<stream xmlns="${NS_STREAMS}" version="1.0">`;
    expect(sliced(`<message xmlns="${NS_CLIENT}"/>`, open)).toEqual([false]);
  });

  it('cuts the rest of a chunk at the element that is not plain, and goes on after it', () => {
    const stream = new StanzaStream(LIMITS);
    const seen: string[] = [];
    const emit = (event: StreamEvent): void => {
      if (event.kind === 'element') seen.push(`${event.source !== undefined} ${String(wireOf(event))}`);
    };
    const write = (text: string): void => stream.write(Buffer.from(text), emit);
    write(OPEN);
    write('<a/> <b/><c>&#65;</c><d/>');
    write('<e/><f');
    write('/><g/>');
    write('<h/>');
    const expected = 'true <a/>¦true <b/>¦false <c>A</c>¦false <d/>¦true <e/>¦true <f/>¦true <g/>¦true <h/>';
    expect(seen.join('¦')).toBe(expected);
    expect(stream.isBetweenElements).toBe(true);
  });

  it('lets an element wait once, and gives it to the parser when it is still cut', () => {
    const stream = new StanzaStream(LIMITS);
    const seen: string[] = [];
    const write = (text: string): void =>
      stream.write(Buffer.from(text), (event) => {
        if (event.kind === 'element') seen.push(`${event.source !== undefined} ${String(wireOf(event))}`);
      });
    write(OPEN);
    write('<a>');
    expect(stream.isBetweenElements).toBe(false);
    for (const text of ['1', '2</a>', '<b/>', '<c x="', '"/><d', '/>']) write(text);
    expect(seen).toEqual(['false <a>12</a>', 'true <b/>', 'true <c x=""/>', 'true <d/>']);
  });

  it('does not hold more than one element may have', () => {
    const stream = new StanzaStream(LIMITS);
    stream.write(Buffer.from(OPEN), () => undefined);
    const write = (): void => stream.write(Buffer.from(`<a>${'x'.repeat(500)}`), () => undefined);
    expect(write).toThrow('one stanza is too long');
  });

  it('names every namespace that is declared', () => {
    const stream = new StanzaStream(LIMITS);
    const seen: (readonly string[] | undefined)[] = [];
    stream.write(Buffer.from(OPEN), () => undefined);
    stream.write(Buffer.from(`<iq><a xmlns='urn:a'><b xmlns='urn:b'/></a></iq>`), (event) => {
      if (event.kind === 'element') seen.push(event.namespaces);
    });
    expect(seen).toEqual([['urn:a', 'urn:b']]);
  });
});

/** Pieces that streams are made of, well-formed and not, with ¦ between them. */
const PLAIN = `<a>¦</a>¦<b x="1">¦</b>¦<c/>¦text¦ ¦\n¦\t`;
const ODD =
  '&lt;¦&amp;¦&apos;¦&#65;¦&#0;¦&x;¦&¦]]>¦]]¦>¦<¦/¦\'¦"¦=¦\r¦\u0000¦\u0001¦\u007f¦\u0085¦é¦😀¦\ufffe¦\uffff¦\ud7ff¦\u2028' +
  `¦<a x="1" x="2"/>¦<a x='1'y='2'/>¦<a x=1/>¦<a\n x="\t"/>¦<a x="<"/>¦<a x="&lt;"/>¦<a xmlns="urn:a">¦<a xmlns=""/>` +
  `¦<a xmlns="http://www.w3.org/2000/xmlns/"/>¦<xml:a/>¦<p:a/>¦<p:a xmlns:p="urn:p"/>¦<a xml:lang="en"/>` +
  `¦<a xml:lang="en" xml:lang="de"/>¦<a xml:x="1"/>¦<!-- -->¦<?x?>¦<![CDATA[x]]>¦</stream:stream>¦<é/>¦<a é="1"/>` +
  `¦</a >¦<a />¦<-/>¦<1/>¦</>¦<>¦</¦<//>`;
const piece = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...PLAIN.split('¦')) },
  { weight: 3, arbitrary: fc.constantFrom(...ODD.split('¦')) },
  { weight: 1, arbitrary: fc.string({ maxLength: 8, unit: 'binary' }) },
);
const bytes = fc.oneof(
  { weight: 8, arbitrary: piece.map((text) => Buffer.from(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 4 }).map((values) => Buffer.from(values)) },
);

/** Well-formed elements in many spellings. */
const { tree } = fc.letrec<{ tree: string }>((tie) => ({
  tree: fc
    .record({
      name: fc.constantFrom('message', 'iq', 'a', 'b-c', 'd.e_f'),
      attributes: fc.uniqueArray(
        fc.tuple(
          fc.constantFrom('to', 'id', 'xmlns', 'xml:lang', 'x1'),
          fc.constantFrom("'urn:a'", '"urn:b"', "'a &amp; b'", '"é"', "''"),
        ),
        { maxLength: 3, selector: ([name]) => name },
      ),
      space: fc.constantFrom('', ' ', '\n'),
      children: fc.array(
        fc.oneof({ depthSize: 'small' }, fc.constantFrom('text', '&lt;', ' ', 'é😀', '&#65;'), tie('tree')),
        { maxLength: 3 },
      ),
    })
    .map(({ name, attributes, space, children }) => {
      const head = `<${name}${attributes.map(([key, value]) => ` ${key}=${value}`).join('')}${space}`;
      return children.length === 0 ? `${head}/>` : `${head}>${children.join('')}</${name}>`;
    }),
}));

describe('what the parser would say, however it is cut', () => {
  const cut = (all: Buffer, at: readonly number[]): Buffer[] => {
    const places = [...new Set(at.map((place) => place % (all.length + 1)))].toSorted((a, b) => a - b);
    return [0, ...places].map((from, n) => all.subarray(from, places[n] ?? all.length));
  };
  const same = (all: Buffer, at: readonly number[]): void => {
    // A fault in what waits is found with the next chunk, so two more follow.
    const chunks = [Buffer.from(OPEN), ...cut(all, at), Buffer.from(' '), Buffer.from(' ')];
    const mine = told(new StanzaStream(LIMITS), chunks);
    const single = Array.from(Buffer.concat(chunks), (byte) => Buffer.from([byte]));
    const parsers = told(new StreamParser(LIMITS), single);
    expect(mine.at(-1) === REFUSED).toBe(parsers.at(-1) === REFUSED);
    if (mine.at(-1) !== REFUSED) {
      expect(mine).toEqual(parsers);
      return;
    }
    // Where a stream is refused, how much is told before depends on how it is cut, and the parser holds back its last
    // element until it has seen what follows; but nobody tells what the other does not.
    const shorter = Math.min(mine.length, parsers.length) - 1;
    expect(mine.slice(0, shorter)).toEqual(parsers.slice(0, shorter));
    expect(mine.length).toBeLessThanOrEqual(parsers.length + 1);
  };
  const places = fc.array(fc.nat(), { maxLength: 3 });

  it('for pieces of streams, well-formed or not', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 14 }), places, (parts, at) => same(Buffer.concat(parts), at)),
      { numRuns: 3000 },
    );
  });

  it('for elements in many spellings', () => {
    fc.assert(
      fc.property(fc.array(tree, { maxLength: 4 }), places, (parts, at) =>
        same(Buffer.from(parts.join('')), at),
      ),
      { numRuns: 1000 },
    );
  });

  it('and a slice, read again, is the same element', () => {
    fc.assert(
      fc.property(tree, (text) => {
        const events: StreamEvent[] = [];
        const stream = new StanzaStream(LIMITS);
        try {
          for (const part of [OPEN, text]) stream.write(Buffer.from(part), (event) => events.push(event));
        } catch (error) {
          expect(error).toBeInstanceOf(StreamError);
        }
        for (const event of events) {
          if (event.kind !== 'element' || event.source === undefined) continue;
          expect(event.source.toString()).toBe(text);
        }
      }),
    );
  });
});
