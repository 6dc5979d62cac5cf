// What a server offers at the head of a stream (RFC 6120 §4.3.2), made true for a client outside: TLS is over already,
// compression never begins (T-083), and only mechanisms that hold across a relay stay.
import { Element } from 'ltx';
import { NS_SASL, NS_STREAMS, NS_TLS } from './namespaces.ts';
import { refuseMechanism } from './sasl.ts';

/** Features that belong to the hop behind us or would carry a sign-in around the relay, by namespace. */
const NOT_FOR_CLIENTS: ReadonlySet<string> = new Set([
  NS_TLS,
  NS_SASL,
  'http://jabber.org/features/compress',
  'http://jabber.org/features/iq-auth',
  'http://jabber.org/features/iq-register',
  'urn:xmpp:features:dialback',
  'urn:xmpp:features:bidi',
  'urn:xmpp:sasl-cb:0',
  'urn:xmpp:sasl:2',
  'urn:xmpp:invite',
  'urn:xmpp:ibr-token:0',
]);

/** Mechanisms that the server offers and the relay lets through, in the server's order. */
export function offeredMechanisms(features: Element, areTokensChecked: boolean): readonly string[] {
  const list = features.getChild('mechanisms', NS_SASL);
  const names = list?.getChildren('mechanism').map((child) => child.getText().trim()) ?? [];
  return names.filter((name) => refuseMechanism(name, areTokensChecked) === undefined);
}

/** True when the server offers TLS on this stream. */
export function offersTls(features: Element): boolean {
  return features.getChild('starttls', NS_TLS) !== undefined;
}

/** What a client that has not signed in is offered: mechanisms and nothing else. */
export function printSignInFeatures(mechanisms: readonly string[]): string {
  const list = mechanisms.map((name) => `<mechanism>${name}</mechanism>`).join('');
  return `<stream:features><mechanisms xmlns="${NS_SASL}">${list}</mechanisms></stream:features>`;
}

/** What a client that has signed in is offered. */
export function printSessionFeatures(features: Element): string {
  const kept = features.getChildElements().filter((child) => !NOT_FOR_CLIENTS.has(child.getNS() ?? ''));
  const printed = new Element('stream:features', { 'xmlns:stream': NS_STREAMS });
  for (const child of kept) printed.cnode(child);
  return printed.toString();
}

/** What a client is offered before TLS: TLS, and no way around it (T-085). */
export const STARTTLS_FEATURES = `<stream:features><starttls xmlns="${NS_TLS}"><required/></starttls></stream:features>`;
