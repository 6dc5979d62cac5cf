// Server dialback (XEP-0220) as values: keys without memory (XEP-0185), the four elements printed and read.
// A key proves that the server which answers for a domain in DNS also sent it. It is no better than DNS, so it is used only
// where the operator says so, and always inside TLS.
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { Element } from 'ltx';
import { NS_SERVER, NS_STREAMS } from '../namespaces.ts';
import { printHeader } from '../stream-header.ts';
import type { StreamHeader } from '../stream-header.ts';
import { canonicalDomain, type DomainPair } from './domain.ts';
import { NS_STANZA_ERRORS } from './stanza.ts';

export const NS_DIALBACK = 'jabber:server:dialback';
const NS_DIALBACK_FEATURE = 'urn:xmpp:features:dialback';

/** Offer of dialback among the features (XEP-0220 §2.3.1); errors are understood. */
export const DIALBACK_FEATURE = `<dialback xmlns="${NS_DIALBACK_FEATURE}"><errors/></dialback>`;

/** Why dialback did not come about (XEP-0220 §2.4); a closed set of stanza error conditions. */
export type DialbackError =
  | 'item-not-found'
  | 'not-allowed'
  | 'policy-violation'
  | 'remote-server-timeout'
  | 'resource-constraint';

export type DialbackResult = 'valid' | 'invalid' | DialbackError;

/** What a key is about: stanzas `from` one domain `to` another on the stream with this id. */
export interface KeyQuestion extends DomainPair {
  readonly id: string;
  readonly key: string;
}

/** `db:result` or `db:verify` as read; `key` is empty in answers, `type` in questions. */
export interface DialbackElement extends KeyQuestion {
  readonly name: 'result' | 'verify';
  readonly type: string;
}

const MAX_KEY_LENGTH = 512;
const MAX_ID_LENGTH = 512;

/** The key for a stream that we opened `from` ours `to` theirs and that they gave this id (XEP-0185 §3). */
export function dialbackKey(secret: string, { from, to }: DomainPair, id: string): string {
  const hashed = createHash('sha256').update(secret).digest('hex');
  return createHmac('sha256', hashed).update(`${to} ${from} ${id}`).digest('hex');
}

/** Whether a key that somebody shows us is one that we made. */
export function isOurKey(secret: string, { from, to, id, key }: KeyQuestion): boolean {
  const expected = Buffer.from(dialbackKey(secret, { from, to }, id));
  const shown = Buffer.from(key);
  return shown.length === expected.length && timingSafeEqual(shown, expected);
}

/** Reads an element of the dialback namespace; undefined when it is malformed. */
export function readDialback(local: string, element: Element): DialbackElement | undefined {
  if (local !== 'result' && local !== 'verify') return undefined;
  const from = canonicalDomain(attribute(element, 'from'));
  const to = canonicalDomain(attribute(element, 'to'));
  const id = attribute(element, 'id') ?? '';
  const key = element.getText().trim();
  if (from === undefined || to === undefined || (local === 'verify' && id === '')) return undefined;
  if (id.length > MAX_ID_LENGTH || key.length > MAX_KEY_LENGTH) return undefined;
  return { name: local, from, to, id, key, type: attribute(element, 'type') ?? '' };
}

/** The header of a stream between servers. */
export function printServerHeader(header: Partial<StreamHeader>): string {
  return printHeader(header, NS_SERVER, { 'xmlns:db': NS_DIALBACK });
}

export function printResultQuestion({ from, to }: DomainPair, key: string): string {
  return new Element('db:result', { from, to }).t(key).toString();
}

export function printVerifyQuestion({ from, to, id, key }: KeyQuestion): string {
  return new Element('db:verify', { from, to, id }).t(key).toString();
}

/** The answer to `question`, whose addresses are turned round. */
export function printDialbackAnswer(question: DialbackElement, result: DialbackResult): string {
  const { name, from, to, id } = question;
  const answer = new Element(`db:${name}`, { from: to, to: from, ...(name === 'verify' ? { id } : {}) });
  if (result === 'valid' || result === 'invalid') {
    answer.attrs.type = result;
    return answer.toString();
  }
  answer.attrs.type = 'error';
  answer.c('error', { type: result === 'remote-server-timeout' ? 'wait' : 'cancel' }).c(result, {
    xmlns: NS_STANZA_ERRORS,
  });
  return answer.toString();
}

/** True when a peer offers dialback, by the feature or, in the manner of old servers, by the prefix in its header. */
export function offersDialback(features: Element): boolean {
  return features.getChild('dialback', NS_DIALBACK_FEATURE) !== undefined;
}

/** True for `stream:features`. */
export function isFeatures(local: string, namespace: string): boolean {
  return local === 'features' && namespace === NS_STREAMS;
}

function attribute(element: Element, name: string): string | undefined {
  const value: unknown = element.attrs[name];
  return typeof value === 'string' ? value : undefined;
}
