// One direction of an XMPP stream, bytes to elements (RFC 6120 §4 and §11). saxes tokenises, strictly and with
// namespaces; elements are ltx values. Doctype, comments, processing instructions and foreign entities end the stream
// (§11.1), as does anything over a limit, before memory is spent on it (T-080, T-082).
// Trusts nothing. Does not know what an element means.
import { Element } from 'ltx';
import { SaxesParser, type SaxesTagNS } from 'saxes';
import { type ContentNamespace, NS_CLIENT, NS_STREAMS } from './namespaces.ts';
import { StreamError } from './stream-error.ts';
import { type StreamHeader, checkHeader } from './stream-header.ts';

/** What one element of the stream may cost. Lengths are counted in UTF-16 units, which is what memory holds. */
export interface StreamLimits {
  readonly maxElementLength: number;
  readonly maxDepth: number;
  readonly maxAttributes: number;
  readonly maxElements: number;
}

/** A direct child of the stream, complete. `namespace` is resolved; the element declares all that it uses. */
export interface StreamElement {
  readonly kind: 'element';
  readonly local: string;
  readonly namespace: string;
  readonly element: Element;
  /** Every namespace declared in it, where that is known without walking through the element. */
  readonly namespaces?: readonly string[];
  /** The bytes it came in, where they mean the same in any other stream of the same content. */
  readonly source?: Buffer;
}

export type StreamEvent =
  | { readonly kind: 'open'; readonly header: StreamHeader }
  | StreamElement
  | { readonly kind: 'close' };

type Saxes = SaxesParser<{ xmlns: true; position: false; forceXMLVersion: true; defaultXMLVersion: '1.0' }>;

const ONLY_SPACE = /^[ \t\r\n]*$/;
const LEADING_SPACE = /^[ \t\r\n]+/;
/** Prefixes that a stream header may declare besides that of streams. */
const MAX_ROOT_PREFIXES = 8;

export class StreamParser {
  readonly #saxes: Saxes;
  readonly #decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  readonly #rootPrefixes: [string, string][] = [];
  readonly #content: ContentNamespace;
  #limits: StreamLimits;
  #emit: (event: StreamEvent) => void = () => undefined;
  #current: Element | undefined;
  #top: { local: string; namespace: string } | undefined;
  #depth = 0;
  /** Characters given to saxes so far. */
  #fed = 0;
  #elements = 0;
  /** Position at which the element under way, or the space before it, began. */
  #began = 0;
  #between = false;
  /** The header made the content's namespace the default one. */
  #isContentDefault = false;
  /** Complete, but not told yet: saxes reports the end of an element before it objects to the name in the end tag. */
  #finished: StreamEvent | undefined;
  #failed = false;

  /** `content` is the namespace of the stanzas: of clients, or between servers. */
  constructor(limits: StreamLimits, content: ContentNamespace = NS_CLIENT) {
    this.#limits = limits;
    this.#content = content;
    this.#saxes = new SaxesParser({
      xmlns: true,
      position: false,
      forceXMLVersion: true,
      defaultXMLVersion: '1.0',
    });
    this.#listen();
  }

  /** The limits for what follows. */
  set limits(limits: StreamLimits) {
    this.#limits = limits;
  }

  /** True while nothing of a next element has arrived. */
  get isBetweenElements(): boolean {
    return this.#between;
  }

  /** True between elements of a stream whose header declares nothing but the usual: what follows means the same in another. */
  get isBetweenPlain(): boolean {
    return this.#between && this.#isContentDefault && this.#rootPrefixes.length === 0;
  }

  /** Parses more of the stream; `emit` gets each event in order. @throws StreamError; the parser is of no use after that. */
  write(chunk: Uint8Array, emit: (event: StreamEvent) => void): void {
    if (this.#failed) throw new StreamError('not-well-formed', 'syntax', 'the stream has failed already');
    this.#emit = emit;
    try {
      this.#feed(this.#decode(chunk));
      // A character that is cut in two belongs to what comes next.
      if ((chunk.at(-1) ?? 0) > 0x7f) this.#between = false;
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  #decode(chunk: Uint8Array): string {
    try {
      return this.#decoder.decode(chunk, { stream: true });
    } catch {
      throw new StreamError('unsupported-encoding', 'encoding', 'the stream is not UTF-8');
    }
  }

  #feed(decoded: string): void {
    // Space between elements keeps a connection alive (§4.6.1); it must not add up in the tokeniser.
    const text = this.#between ? decoded.replace(LEADING_SPACE, '') : decoded;
    if (text === '') return;
    this.#between = false;
    this.#saxes.write(text);
    this.#tell();
    this.#fed += text.length; // saxes knows its position only while it works
    const unread = this.#fed - this.#began;
    this.#checkLength(unread);
    if (this.#depth !== 1) return;
    this.#between = unread <= text.length && ONLY_SPACE.test(text.slice(text.length - unread));
    if (this.#between) this.#began = this.#fed;
  }

  #listen(): void {
    const saxes = this.#saxes;
    saxes.on('error', () => {
      throw new StreamError('not-well-formed', 'syntax', 'the stream is not well-formed XML');
    });
    saxes.on('doctype', () => restricted('a document type'));
    saxes.on('comment', () => restricted('a comment'));
    saxes.on('processinginstruction', () => restricted('a processing instruction'));
    saxes.on('xmldecl', ({ encoding }) => {
      if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8')
        throw new StreamError('unsupported-encoding', 'encoding', 'the stream is not UTF-8');
    });
    // Attributes are counted while they come in, not when the tag is complete.
    let attributes = 0;
    saxes.on('opentagstart', () => {
      attributes = 0;
      this.#enter();
    });
    saxes.on('attribute', () => {
      attributes += 1;
      if (attributes > this.#limits.maxAttributes)
        throw new StreamError('policy-violation', 'attributes', 'an element has too many attributes');
      this.#checkLength();
    });
    saxes.on('opentag', (tag) => this.#open(tag));
    saxes.on('text', (text) => this.#text(text));
    saxes.on('cdata', (text) => this.#text(text));
    saxes.on('closetag', () => this.#close());
  }

  #enter(): void {
    this.#tell();
    this.#depth += 1;
    this.#elements += 1;
    this.#checkLength();
    if (this.#depth > this.#limits.maxDepth + 1)
      throw new StreamError('policy-violation', 'depth', 'elements are nested too deeply');
    if (this.#elements > this.#limits.maxElements + 1)
      throw new StreamError('policy-violation', 'elements', 'one stanza has too many elements');
  }

  #open(tag: SaxesTagNS): void {
    if (this.#depth === 1) return this.#openStream(tag);
    const element = new Element(tag.name, attributesOf(tag));
    if (this.#depth === 2) {
      this.#declareInherited(tag, element);
      this.#top = { local: tag.local, namespace: tag.uri };
    } else {
      element.parent = this.#current ?? null;
      this.#current?.children.push(element);
    }
    this.#current = element;
  }

  #openStream(tag: SaxesTagNS): void {
    const attributes = new Map(Object.values(tag.attributes).map(({ name, value }) => [name, value]));
    const header = checkHeader({
      local: tag.local,
      namespace: tag.uri,
      defaultNamespace: attributes.get('xmlns'),
      attributes,
      content: this.#content,
    });
    for (const [name, value] of attributes) {
      if (name.startsWith('xmlns:') && value !== NS_STREAMS) this.#rootPrefixes.push([name, value]);
      else if (name.startsWith('xmlns:') && name !== 'xmlns:stream') this.#rootPrefixes.push([name, value]);
    }
    if (this.#rootPrefixes.length > MAX_ROOT_PREFIXES)
      throw new StreamError('policy-violation', 'attributes', 'the stream declares too many prefixes');
    this.#isContentDefault =
      attributes.get('xmlns') === this.#content && attributes.get('xmlns:stream') === NS_STREAMS;
    this.#settle();
    this.#emit({ kind: 'open', header });
  }

  /** An element leaves the stream it came in, so it takes along what the stream's header declared. */
  #declareInherited(tag: SaxesTagNS, element: Element): void {
    for (const [name, value] of this.#rootPrefixes) element.attrs[name] ??= value;
    if (tag.prefix === '' && tag.uri !== this.#content) element.attrs.xmlns ??= tag.uri;
  }

  #text(text: string): void {
    this.#tell();
    this.#checkLength();
    if (this.#current !== undefined) this.#current.children.push(text);
    else if (!ONLY_SPACE.test(text))
      throw new StreamError('bad-format', 'syntax', 'there is text between the stanzas');
  }

  #close(): void {
    this.#tell();
    this.#checkLength();
    this.#depth -= 1;
    if (this.#depth === 0) {
      this.#finished = { kind: 'close' };
      return;
    }
    const closed = this.#current;
    this.#current = closed?.parent ?? undefined;
    if (this.#depth > 1 || closed === undefined || this.#top === undefined) return;
    this.#current = undefined;
    this.#settle();
    this.#finished = { kind: 'element', ...this.#top, element: closed };
  }

  #tell(): void {
    const finished = this.#finished;
    if (finished === undefined) return;
    this.#finished = undefined;
    this.#emit(finished);
  }

  #settle(): void {
    this.#began = this.#saxes.position;
    this.#elements = 1;
  }

  #checkLength(length = this.#saxes.position - this.#began): void {
    if (length > this.#limits.maxElementLength)
      throw new StreamError('policy-violation', 'length', 'one stanza is too long');
  }
}

function attributesOf(tag: SaxesTagNS): Record<string, string> {
  const attributes: Record<string, string> = {};
  for (const name of Object.keys(tag.attributes)) attributes[name] = tag.attributes[name]?.value ?? '';
  return attributes;
}

function restricted(what: string): never {
  throw new StreamError('restricted-xml', 'forbidden-xml', `the stream has ${what}`);
}
