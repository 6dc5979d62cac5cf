// STARTTLS (RFC 6120 §5) from both ends, as machines: events in, actions out. The receiving end offers nothing but TLS and
// takes nothing else; the initiating end goes on only when the server offers it. Bytes that follow `<starttls/>` or
// `<proceed/>` in the clear end the connection: they would be read as if they had come through TLS.
import type { Element } from 'ltx';
import { NS_STREAMS, NS_TLS } from './namespaces.ts';
import { StreamError } from './stream-error.ts';
import { offersTls, STARTTLS_FEATURES } from './stream-features.ts';
import { printHeader, type StreamHeader } from './stream-header.ts';
import type { StreamEvent } from './stream-parser.ts';

export type StartTlsAction =
  | { readonly kind: 'write'; readonly text: string }
  | { readonly kind: 'start-tls' }
  | { readonly kind: 'end' };

/** Receiving end, before TLS. `domain` is who we say we are when the client does not name a domain; `id` is fresh. */
export function answerBeforeTls(event: StreamEvent, id: string, domain: string): readonly StartTlsAction[] {
  if (event.kind === 'close') return [{ kind: 'end' }];
  if (event.kind === 'open') {
    const header = printHeader({ from: event.header.to ?? domain, id, lang: 'en' });
    return [{ kind: 'write', text: header + STARTTLS_FEATURES }];
  }
  // COMPAT(Jabber): the element may carry attributes of its own (cookie="0").
  if (event.local !== 'starttls' || event.namespace !== NS_TLS)
    throw new StreamError('policy-violation', 'order', 'TLS comes first');
  return [{ kind: 'write', text: `<proceed xmlns="${NS_TLS}"/>` }, { kind: 'start-tls' }];
}

/** What the initiating end does next. */
export type InitiatingAction =
  | { readonly kind: 'write'; readonly text: string }
  | { readonly kind: 'start-tls' }
  | { readonly kind: 'ready'; readonly header: StreamHeader; readonly features: Element };

/** Initiating end towards a server: header, TLS, header again, features. */
export class InitiatingStream {
  readonly #to: string;
  #secure = false;
  #header: StreamHeader | undefined;
  #asked = false;

  constructor(to: string) {
    this.#to = to;
  }

  /** Begins a stream: at connection, after TLS and after sign-in. The caller brings a fresh parser. */
  begin(lang?: string): string {
    this.#header = undefined;
    return printHeader({ to: this.#to, ...(lang === undefined ? {} : { lang }) });
  }

  /** TLS is up and the name is verified: the next stream begins. */
  secured(): string {
    this.#secure = true;
    return this.begin();
  }

  /** @throws StreamError when the server does something out of order or offers no TLS. */
  handle(event: StreamEvent): readonly InitiatingAction[] {
    if (event.kind === 'close')
      throw new StreamError('remote-connection-failed', 'order', 'the server ended the stream');
    if (event.kind === 'open') {
      this.#header = event.header;
      return [];
    }
    const header = this.#header;
    if (header === undefined) throw new StreamError('bad-format', 'order', 'the server sent no header');
    if (event.namespace === NS_STREAMS && event.local === 'features')
      return this.#features(event.element, header);
    if (event.namespace === NS_TLS && event.local === 'proceed' && this.#asked && !this.#secure)
      return [{ kind: 'start-tls' }];
    throw new StreamError('remote-connection-failed', 'order', 'the server does not begin a session');
  }

  #features(features: Element, header: StreamHeader): readonly InitiatingAction[] {
    if (this.#secure) return [{ kind: 'ready', header, features }];
    if (!offersTls(features))
      throw new StreamError('remote-connection-failed', 'order', 'the server offers no TLS');
    this.#asked = true;
    return [{ kind: 'write', text: `<starttls xmlns="${NS_TLS}"/>` }];
  }
}
