// One direction of a stream after sign-in, bytes to stanzas: plain elements as slices of what came in, at a tenth of the
// price, everything else through the parser. An element that the end of a chunk cuts waits for the next chunk, once; what is
// still cut then, or not plain, goes to the parser until an element ends with its chunk. So each byte is read at most three
// times. Between stanzas no parser is kept: ten thousand idle sessions hold none. Trusts nothing; accepts nothing that the parser would refuse; its limits are the parser's, and what waits is no
// longer than one element.
import type { Element } from 'ltx';
import { type ContentNamespace, NS_CLIENT, NS_STREAMS } from './namespaces.ts';
import { type PlainScan, PlainScanner } from './plain-scan.ts';
import { type StreamElement, type StreamEvent, type StreamLimits, StreamParser } from './stream-parser.ts';

const [TAB, LF, CR, SPACE, LESS] = [0x09, 0x0a, 0x0d, 0x20, 0x3c] as const;

export class StanzaStream {
  /** Absent between plain elements. */
  #parser: StreamParser | undefined;
  readonly #content: ContentNamespace;
  readonly #limits: StreamLimits;
  readonly #scanner = new PlainScanner();
  /** The begin of an element that was cut. */
  #held: Buffer | undefined;

  constructor(limits: StreamLimits, content: ContentNamespace = NS_CLIENT) {
    this.#limits = limits;
    this.#content = content;
    this.#parser = new StreamParser(limits, content);
  }

  /** True while nothing of a next element has arrived. */
  get isBetweenElements(): boolean {
    return this.#held === undefined && (this.#parser?.isBetweenElements ?? true);
  }

  /** Parses more of the stream; `emit` gets each event in order. @throws StreamError; it is of no use after that. */
  write(chunk: Buffer, emit: (event: StreamEvent) => void): void {
    if (this.#parser !== undefined) return this.#parse(this.#parser, chunk, emit);
    const held = this.#held;
    this.#held = undefined;
    const bytes = held === undefined ? chunk : Buffer.concat([held, chunk]);
    const { at, isCut } = this.#slice(bytes, emit);
    if (at === bytes.length) return;
    const rest = at === 0 ? bytes : bytes.subarray(at);
    // What was held already and is still cut has waited once.
    if (isCut && (held === undefined || at > 0)) this.#held = Buffer.from(rest);
    else this.#parse(parserInStream(this.#limits, this.#content), rest, emit);
  }

  #parse(parser: StreamParser, bytes: Buffer, emit: (event: StreamEvent) => void): void {
    this.#parser = parser;
    parser.write(bytes, emit);
    if (parser.isBetweenPlain) this.#parser = undefined;
  }

  /** Returns where what is no whole plain element begins. */
  #slice(bytes: Buffer, emit: (event: StreamEvent) => void): { at: number; isCut: boolean } {
    let at = 0;
    for (;;) {
      while (isSpace(bytes[at])) at += 1;
      if (bytes[at] !== LESS) return { at, isCut: false };
      const found = this.#scanner.scan(bytes, at, this.#limits);
      if (typeof found === 'string') return { at, isCut: found === 'cut' };
      emit(new PlainElement(bytes.subarray(at, found.end), found, this.#content));
      at = found.end;
    }
  }
}

function isSpace(code: number | undefined): boolean {
  return code === SPACE || code === LF || code === CR || code === TAB;
}

/** A stanza as it came in; its element is made when somebody asks. */
class PlainElement implements StreamElement {
  readonly kind = 'element';
  readonly local: string;
  readonly namespace: string;
  readonly namespaces: readonly string[];
  readonly source: Buffer;
  readonly #content: ContentNamespace;

  constructor(source: Buffer, scan: PlainScan, content: ContentNamespace) {
    this.source = source;
    this.local = scan.local;
    this.namespace = scan.namespace ?? content;
    this.namespaces = scan.namespaces;
    this.#content = content;
  }

  get element(): Element {
    return elementOf(this.source, this.#content);
  }
}

/** Limits of a slice, which has been held against the stream's own. */
const WITHIN = Number.MAX_SAFE_INTEGER;

function elementOf(source: Buffer, content: ContentNamespace): Element {
  const limits = { maxElementLength: WITHIN, maxDepth: WITHIN, maxAttributes: WITHIN, maxElements: WITHIN };
  const parser = parserInStream(limits, content);
  let found: Element | undefined;
  parser.write(source, (event) => {
    if (event.kind === 'element') found = event.element;
  });
  if (found === undefined) throw new Error('a plain element was none');
  return found;
}

/** A parser that has read the header of a stream, of the kind between whose elements it can be left out. */
function parserInStream(limits: StreamLimits, content: ContentNamespace): StreamParser {
  const parser = new StreamParser(limits, content);
  const header = `<stream:stream xmlns='${content}' xmlns:stream='${NS_STREAMS}' version='1.0'>`;
  parser.write(Buffer.from(header), () => undefined);
  return parser;
}
