// Which stanzas of a session may pass, by the namespaces in them: those that the operator allows, and no files from client to
// client (XEP-0095, 0096, 0065, 0047, 0066, 0234): those would go past the company's own file service. A refused stanza is
// not just left out, or both ends would count differently (XEP-0198 §4): another takes its place. Towards the server that is a
// ping to it, whose answer becomes the error for the client; towards the client a request without its content, which the
// client answers itself (RFC 6120 §8.4).
// Trusts neither side; keeps one short text for each refused stanza that the server has not answered yet.
import { Element } from 'ltx';
import { NS_BIND, NS_CLIENT, NS_CLIENT_STATE, NS_STREAM_MANAGEMENT } from './namespaces.ts';
import type { StreamElement } from './stream-parser.ts';
import { wireOf } from './wire-batch.ts';

export interface StanzaRules {
  /** Namespaces that may pass, besides those that every session needs; undefined: all. */
  readonly allowedNamespaces: ReadonlySet<string> | undefined;
  readonly isPeerFileTransferAllowed: boolean;
}

export type StanzaRefusal = 'namespace-refused' | 'file-transfer-refused';

/** What goes on in place of a stanza. */
export interface PassedStanza {
  readonly text: string | Buffer;
  readonly refused: StanzaRefusal | undefined;
}

const NS_STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas';
const NS_PING = 'urn:xmpp:ping';
const NS_BLOCKED = 'urn:viaduct:blocked:0';
/** What sessions cannot be without. */
const ESSENTIAL: ReadonlySet<string> = new Set([
  NS_CLIENT,
  NS_BIND,
  NS_CLIENT_STATE,
  ...NS_STREAM_MANAGEMENT,
  NS_STANZAS,
  NS_PING,
  'jabber:iq:roster',
  'urn:ietf:params:xml:ns:xmpp-session',
  'http://jabber.org/protocol/caps',
  'http://jabber.org/protocol/disco#info',
  'http://jabber.org/protocol/disco#items',
]);
const PEER_FILES: ReadonlySet<string> = new Set([
  'http://jabber.org/protocol/si',
  'http://jabber.org/protocol/bytestreams',
  'http://jabber.org/protocol/ibb',
  'jabber:iq:oob',
  'urn:xmpp:jingle:transports:s5b:1',
  'urn:xmpp:jingle:transports:ibb:1',
]);
const JINGLE_FILES = 'urn:xmpp:jingle:apps:file-transfer:';
const TEXTS: Readonly<Record<StanzaRefusal, string>> = {
  'namespace-refused': 'this kind of content is not allowed here',
  'file-transfer-refused': 'files from client to client are not allowed here',
};
/** Refused stanzas whose ping the server has not answered. */
const MAX_PENDING = 64;

export class StanzaPolicy {
  readonly #rules: StanzaRules;
  readonly #domain: string;
  /** Id of a ping → the error that takes the place of its answer. */
  readonly #pending = new Map<string, string>();
  #pings = 0;

  constructor(rules: StanzaRules, domain: string) {
    this.#rules = rules;
    this.#domain = domain;
  }

  /** A stanza of the client. */
  toServer(event: StreamElement): PassedStanza {
    const refused = this.#judge(event);
    if (refused === undefined) return { text: wireOf(event), refused };
    const { element } = event;
    const { type } = element.attrs as Record<string, string | undefined>;
    if (event.local === 'iq' && type !== 'get' && type !== 'set')
      return { text: stanzaError(element, element.attrs.to, undefined, refused).toString(), refused };
    this.#pings += 1;
    const id = `viaduct-${this.#pings}`;
    const oldest = this.#pending.keys().next().value;
    if (this.#pending.size >= MAX_PENDING && oldest !== undefined) this.#pending.delete(oldest);
    this.#pending.set(id, stanzaError(element, undefined, element.attrs.to, refused).toString());
    const ping = new Element('iq', { type: 'get', id, to: this.#domain });
    return { text: ping.c('ping', { xmlns: NS_PING }).root().toString(), refused };
  }

  /** A stanza of the server. */
  toClient(event: StreamElement): PassedStanza {
    if (event.local !== 'iq') return { text: wireOf(event), refused: undefined };
    const answer = this.#pending.size === 0 ? undefined : this.#answerFor(event.element);
    if (answer !== undefined) return { text: answer, refused: undefined };
    const refused = this.#judge(event);
    const { id, from, to, type } = refused === undefined ? {} : event.element.attrs;
    if (refused === undefined || (type !== 'get' && type !== 'set'))
      return { text: wireOf(event), refused: undefined };
    const blocked = new Element('iq', { type, id, from, to }).c('blocked', { xmlns: NS_BLOCKED });
    return { text: blocked.root().toString(), refused };
  }

  #answerFor({ attrs }: Element): string | undefined {
    const id = String(attrs.id ?? '');
    const isOfServer = attrs.from === undefined || String(attrs.from) === this.#domain;
    if (!isOfServer || (attrs.type !== 'result' && attrs.type !== 'error')) return undefined;
    const answer = this.#pending.get(id);
    this.#pending.delete(id);
    return answer;
  }

  #judge(event: StreamElement): StanzaRefusal | undefined {
    const { allowedNamespaces, isPeerFileTransferAllowed } = this.#rules;
    for (const namespace of event.namespaces ?? namespacesIn(event.element)) {
      if (!isPeerFileTransferAllowed && (PEER_FILES.has(namespace) || namespace.startsWith(JINGLE_FILES)))
        return 'file-transfer-refused';
      if (allowedNamespaces !== undefined && !allowedNamespaces.has(namespace) && !ESSENTIAL.has(namespace))
        return 'namespace-refused';
    }
    return undefined;
  }
}

/** Every namespace that the element or one inside it declares. Its depth is bounded by the parser. */
function namespacesIn(element: Element): readonly string[] {
  const own = Object.entries(element.attrs).flatMap(([name, value]) =>
    name === 'xmlns' || name.startsWith('xmlns:') ? [String(value)] : [],
  );
  return [...own, ...element.getChildElements().flatMap(namespacesIn)];
}

function stanzaError(
  stanza: Element,
  to: string | undefined,
  from: string | undefined,
  refused: StanzaRefusal,
): Element {
  const reply = new Element(stanza.getName(), { type: 'error' });
  for (const [name, value] of Object.entries({ id: stanza.attrs.id as string | undefined, to, from }))
    if (value !== undefined) reply.attrs[name] = value;
  const error = reply.c('error', { type: 'cancel' });
  error.c('not-acceptable', { xmlns: NS_STANZAS });
  error.c('text', { xmlns: NS_STANZAS, 'xml:lang': 'en' }).t(TEXTS[refused]);
  return reply;
}
