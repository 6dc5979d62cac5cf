// The opening tag of a stream (RFC 6120 §4.7): which one is acceptable, and how ours is printed.
import { Element } from 'ltx';
import { type ContentNamespace, NS_CLIENT, NS_STREAMS } from './namespaces.ts';
import { StreamError } from './stream-error.ts';

/** The attributes of a stream header that mean something; absent ones are undefined. */
export interface StreamHeader {
  readonly to: string | undefined;
  readonly from: string | undefined;
  readonly id: string | undefined;
  readonly lang: string | undefined;
}

/** An opening tag as parsed: names resolved, attribute values by their name as written. */
export interface OpeningTag {
  readonly local: string;
  readonly namespace: string;
  /** Default namespace that the tag declares, if any. */
  readonly defaultNamespace: string | undefined;
  readonly attributes: ReadonlyMap<string, string>;
  /** Namespace that the stanzas of this stream must have. */
  readonly content: ContentNamespace;
}

const VERSION = /^1\.\d{1,4}$/;

/** @throws StreamError for a header that begins no stream of this kind. */
export function checkHeader(tag: OpeningTag): StreamHeader {
  const { local, namespace, defaultNamespace, attributes, content } = tag;
  if (namespace !== NS_STREAMS)
    throw new StreamError('invalid-namespace', 'header', 'the stream is not in the namespace of streams');
  if (local !== 'stream') throw new StreamError('bad-format', 'header', 'the first element is no stream');
  // §4.8.2: the content namespace is the default one, or stands at each stanza when streams are the default.
  if (defaultNamespace !== content && defaultNamespace !== NS_STREAMS)
    throw new StreamError('invalid-namespace', 'header', `the content of the stream is not ${content}`);
  if (!VERSION.test(attributes.get('version') ?? ''))
    throw new StreamError('unsupported-version', 'header', 'only XMPP 1.0 is spoken here');
  return {
    to: attributes.get('to'),
    from: attributes.get('from'),
    id: attributes.get('id'),
    lang: attributes.get('xml:lang'),
  };
}

/** The XML declaration and our opening tag; `prefixes` are namespaces that it declares besides, by `xmlns:…`. */
export function printHeader(
  header: Partial<StreamHeader>,
  content: ContentNamespace = NS_CLIENT,
  prefixes: Readonly<Record<string, string>> = {},
): string {
  const element = new Element('stream:stream', { xmlns: content, 'xmlns:stream': NS_STREAMS, ...prefixes });
  const { to, from, id, lang } = header;
  for (const [name, value] of Object.entries({ to, from, id, 'xml:lang': lang })) {
    if (value !== undefined) element.attrs[name] = value;
  }
  element.attrs.version = '1.0';
  return `<?xml version="1.0"?>${element.toString().replace(/\/>$/, '>')}`;
}
