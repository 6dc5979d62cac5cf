// One session at the embedded IM and Presence node (RFC 6120 §6 and §7, RFC 6121): stanzas in, stanzas out, no socket.
import { Element } from 'ltx';
import { NS_BIND, NS_CLIENT, NS_SASL, NS_STREAMS, type StreamElement } from '../../xmpp/index.ts';
import type { ChatRooms } from './chat-rooms.ts';
import { type Credentials, MECHANISMS } from './credentials.ts';

/** Everybody who is signed in, and the rooms they are in; colleagues are on each other's contact list from the start. */
export interface ChatRoom {
  readonly domain: string;
  readonly users: readonly { readonly id: string; readonly firstName: string }[];
  readonly sessions: Set<ChatSession>;
  readonly rooms: ChatRooms;
}

const NS_ROSTER = 'jabber:iq:roster';
const NS_STANZAS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

export class ChatSession {
  onWrite: (text: string) => void = () => undefined;
  readonly #room: ChatRoom;
  readonly #credentials: Pick<Credentials, 'check'>;
  #user: string | undefined;
  #resource = '';
  #presence: Element | undefined;

  constructor(room: ChatRoom, credentials: Pick<Credentials, 'check'>) {
    this.#room = room;
    this.#credentials = credentials;
  }

  get domain(): string {
    return this.#room.domain;
  }

  /** The bound address; empty before binding. */
  get address(): string {
    return this.#resource === '' ? '' : `${this.#bare}/${this.#resource}`;
  }

  /** What is offered at the head of the stream. */
  features(): string {
    const features = new Element('stream:features', { 'xmlns:stream': NS_STREAMS });
    if (this.#user === undefined) {
      const list = features.c('mechanisms', { xmlns: NS_SASL });
      for (const mechanism of MECHANISMS) list.c('mechanism').t(mechanism);
    } else features.c('bind', { xmlns: NS_BIND });
    return features.toString();
  }

  /** `restart`: the client has signed in and opens a new stream. */
  handle({ local, namespace, element }: StreamElement): 'restart' | undefined {
    if (namespace === NS_SASL) return this.#signIn(element);
    if (this.#user === undefined || namespace !== NS_CLIENT) return undefined;
    if (local === 'iq') this.#answer(element);
    else if (this.#resource === '' || this.#room.rooms.handle(element, this)) return undefined;
    else if (local === 'presence') this.#present(element);
    else if (local === 'message') this.#route(element);
    return undefined;
  }

  /** The connection has ended: everybody sees it. */
  leave(): void {
    this.#room.rooms.leave(this);
    if (!this.#room.sessions.delete(this) || this.#presence === undefined) return;
    this.#tellOthers(new Element('presence', { type: 'unavailable' }));
  }

  get #bare(): string {
    return `${this.#user}@${this.#room.domain}`;
  }

  #signIn(element: Element): 'restart' | undefined {
    this.#user = this.#credentials.check(String(element.attrs.mechanism ?? ''), element.getText());
    const word = this.#user === undefined ? 'failure' : 'success';
    const answer = new Element(word, { xmlns: NS_SASL });
    if (this.#user === undefined) answer.c('not-authorized');
    this.onWrite(answer.toString());
    return this.#user === undefined ? undefined : 'restart';
  }

  #answer(iq: Element): void {
    const reply = new Element('iq', { id: iq.attrs.id, type: 'result' });
    const bind = iq.getChild('bind', NS_BIND);
    if (bind !== undefined) {
      this.#resource = bind.getChildText('resource') ?? 'lab';
      this.#room.sessions.add(this);
      reply.c('bind', { xmlns: NS_BIND }).c('jid').t(this.address);
    } else if (iq.getChild('query', NS_ROSTER) !== undefined) {
      const query = reply.c('query', { xmlns: NS_ROSTER });
      for (const { id, firstName } of this.#room.users.filter((user) => user.id !== this.#user))
        query.c('item', { jid: `${id}@${this.#room.domain}`, name: firstName, subscription: 'both' });
    } else {
      reply.attrs.type = 'error';
      reply.c('error', { type: 'cancel' }).c('service-unavailable', { xmlns: NS_STANZAS });
    }
    this.onWrite(reply.toString());
  }

  #present(presence: Element): void {
    const isFirst = this.#presence === undefined;
    this.#presence = presence;
    this.#tellOthers(presence);
    if (!isFirst) return;
    for (const other of this.#others()) if (other.#presence !== undefined) other.#send(other.#presence, this);
  }

  #tellOthers(presence: Element): void {
    for (const other of this.#others()) this.#send(presence, other);
  }

  #others(): readonly ChatSession[] {
    return [...this.#room.sessions].filter((other) => other !== this && other.#user !== this.#user);
  }

  #route(message: Element): void {
    const to = String(message.attrs.to ?? '');
    for (const other of this.#room.sessions)
      if (other.address === to || other.#bare === to) this.#send(message, other);
  }

  #send(stanza: Element, to: ChatSession): void {
    const copy = new Element(stanza.name, { ...stanza.attrs, from: this.address, to: to.address });
    copy.children = stanza.children;
    to.onWrite(copy.toString());
  }
}
