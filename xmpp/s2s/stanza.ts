// Stanzas between servers: addressing that RFC 6120 §8.1 demands of them, and the error that goes back for one that cannot be
// delivered (§8.3). What a stanza carries is nobody's business here.
import type { Element } from 'ltx';
import { Element as NewElement } from 'ltx';
import { NS_SERVER } from '../namespaces.ts';
import { StreamError } from '../stream-error.ts';
import type { StreamElement } from '../stream-parser.ts';
import { domainOf, type DomainPair } from './domain.ts';

/** Conditions of stanza errors (RFC 6120 §8.3.3). */
export const NS_STANZA_ERRORS = 'urn:ietf:params:xml:ns:xmpp-stanzas';

/** Why a stanza goes back: no such partner for us, or no way to it at the moment. */
export type BounceCondition = 'remote-server-not-found' | 'remote-server-timeout' | 'resource-constraint';

/** A stanza as far as carrying it needs: its pair of domains, its text printed anew, and what a bounce needs. */
export interface ServerStanza extends DomainPair {
  readonly text: string;
  readonly head: StanzaHead;
}

export interface StanzaHead {
  readonly name: string;
  readonly type: string;
  readonly id: string | undefined;
  readonly from: string;
  readonly to: string;
}

const STANZAS: ReadonlySet<string> = new Set(['message', 'presence', 'iq']);

/** Reads a stanza of a stream between servers. @throws StreamError for what is no stanza or is not fully addressed. */
export function readStanza({ local, namespace, element }: StreamElement): ServerStanza {
  if (namespace !== NS_SERVER || !STANZAS.has(local))
    throw new StreamError('unsupported-stanza-type', 'stanza-type', 'this is no stanza');
  const head = headOf(local, element);
  // §8.1.1.2, §8.1.2.2: between servers both addresses are there, and both are addresses.
  const from = domainOf(head.from);
  const to = domainOf(head.to);
  if (from === undefined || to === undefined)
    throw new StreamError(
      'improper-addressing',
      'address',
      'a stanza between servers needs both its addresses',
    );
  return { from, to, text: element.toString(), head };
}

function headOf(name: string, element: Element): StanzaHead {
  const text = (attribute: string): string | undefined => {
    const value: unknown = element.attrs[attribute];
    return typeof value === 'string' ? value : undefined;
  };
  return {
    name,
    type: text('type') ?? '',
    id: text('id'),
    from: text('from') ?? '',
    to: text('to') ?? '',
  };
}

/** Presence that asks for an answer; presence that only tells is dropped in silence when it cannot be delivered. */
const ASKING_PRESENCE: ReadonlySet<string> = new Set(['subscribe', 'probe']);

/** True when the sender waits for a word; an error or an answer never earns another (§8.3.1). */
export function wantsBounce({ name, type }: StanzaHead): boolean {
  if (type === 'error') return false;
  if (name === 'iq') return type === 'get' || type === 'set';
  return name === 'message' || ASKING_PRESENCE.has(type);
}

/** The error for a stanza that could not be delivered, addressed to its sender. */
export function bounceOf(stanza: ServerStanza, condition: BounceCondition): ServerStanza {
  const { name, id, from, to } = stanza.head;
  const head: StanzaHead = { name, type: 'error', id, from: to, to: from };
  const element = new NewElement(name, {
    type: 'error',
    from: to,
    to: from,
    ...(id === undefined ? {} : { id }),
  });
  const type = condition === 'remote-server-not-found' ? 'cancel' : 'wait';
  element.c('error', { type }).c(condition, { xmlns: NS_STANZA_ERRORS });
  return { from: stanza.to, to: stanza.from, text: element.toString(), head };
}
