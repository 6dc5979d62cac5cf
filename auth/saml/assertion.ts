// What the signed bytes of an assertion say, checked against what was asked for (saml-profiles §4.1.4.3). Takes nothing
// but those bytes; the order below is the order of the checks. Times have one skew window, `now` comes from outside.
import { ASSERTION, BEARER } from './names.ts';
import { maxResponseLength, printable } from './response-form.ts';
import { SamlFault } from './saml-fault.ts';
import { childOf, childrenOf, is, parseTree, type XmlNode } from './xml-tree.ts';

/** What an assertion must be an answer to. */
export interface Expected {
  /** Entity id of the identity provider that was asked. */
  readonly issuer: string;
  /** Our entity id. */
  readonly audience: string;
  /** URL of the consumer the request named. */
  readonly recipient: string;
  /** ID of the AuthnRequest. */
  readonly requestId: string;
  readonly now: number;
  readonly skewMs: number;
}

export interface AssertionFacts {
  readonly id: string;
  /** After this (skew included) it is refused for its age alone, so that far its id must be remembered. */
  readonly goodUntil: number;
  /** When the identity provider wants its session to end. */
  readonly sessionEndsAt: number | undefined;
  /** Name → values, in order. */
  readonly attributes: ReadonlyMap<string, readonly string[]>;
}

/** Reads and checks `xml`, the canonical bytes whose signature was good. @throws SamlFault. */
export function readAssertion(xml: string, expected: Expected): AssertionFacts {
  const root = parseTree(xml, {
    maxLength: maxResponseLength,
    maxDepth: 32,
    maxElements: 2000,
    comments: false,
  });
  if (!is(root, ASSERTION, 'Assertion') || root.attributes.get('Version') !== '2.0')
    throw fault('form', 'what is signed is no SAML 2.0 assertion');
  const id = root.attributes.get('ID') ?? '';
  const issuer = childOf(root, ASSERTION, 'Issuer')?.text.trim() ?? '';
  if (issuer !== expected.issuer)
    throw fault('issuer', `the assertion is by ${printable(issuer)}, asked was ${expected.issuer}`);
  const confirmedUntil = checkSubject(root, expected);
  const goodUntil = checkConditions(root, expected);
  return {
    id,
    goodUntil: Math.max(confirmedUntil, goodUntil) + expected.skewMs,
    sessionEndsAt: readSession(root, expected),
    attributes: readAttributes(root),
  };
}

/** One bearer confirmation must hold in every part; the moment it ends. */
function checkSubject(root: XmlNode, expected: Expected): number {
  const subject = childOf(root, ASSERTION, 'Subject');
  const confirmations = subject === undefined ? [] : childrenOf(subject, ASSERTION, 'SubjectConfirmation');
  let last = fault('recipient', 'the assertion has no bearer confirmation');
  for (const confirmation of confirmations) {
    if (confirmation.attributes.get('Method') !== BEARER) continue;
    const verdict = confirmedUntil(confirmation, expected);
    if (typeof verdict === 'number') return verdict;
    last = verdict;
  }
  throw last;
}

function confirmedUntil(confirmation: XmlNode, expected: Expected): number | SamlFault {
  const data = childOf(confirmation, ASSERTION, 'SubjectConfirmationData');
  const recipient = data?.attributes.get('Recipient');
  if (data === undefined || recipient !== expected.recipient)
    return fault(
      'recipient',
      `the assertion is for ${printable(recipient ?? 'nobody')}, not ${expected.recipient}`,
    );
  if (data.attributes.get('InResponseTo') !== expected.requestId)
    return fault('in-response-to', 'the assertion does not answer the request of this sign-in');
  const until = instant(data.attributes.get('NotOnOrAfter'));
  if (until === undefined) return fault('expired', 'its confirmation has no end');
  return window(data, expected, 'the confirmation') ?? until;
}

function checkConditions(root: XmlNode, expected: Expected): number {
  const conditions = childOf(root, ASSERTION, 'Conditions');
  if (conditions === undefined) throw fault('audience', 'the assertion has no conditions');
  const outside = window(conditions, expected, 'the assertion');
  if (outside !== undefined) throw outside;
  const unknown = conditions.children.find(
    ({ namespace, name }) => namespace !== ASSERTION || !knownConditions.has(name),
  );
  if (unknown !== undefined) throw fault('form', `a condition ${printable(unknown.name)} is not understood`);
  const restrictions = childrenOf(conditions, ASSERTION, 'AudienceRestriction');
  const isOurs = (restriction: XmlNode): boolean =>
    childrenOf(restriction, ASSERTION, 'Audience').some(({ text }) => text.trim() === expected.audience);
  if (restrictions.length === 0 || !restrictions.every(isOurs))
    throw fault('audience', `the assertion is not meant for ${expected.audience}`);
  return instant(conditions.attributes.get('NotOnOrAfter')) ?? expected.now;
}

const knownConditions: ReadonlySet<string> = new Set([
  'AudienceRestriction',
  'OneTimeUse',
  'ProxyRestriction',
]);

/** NotBefore and NotOnOrAfter of `node`; undefined when now is inside. */
function window(node: XmlNode, { now, skewMs }: Expected, what: string): SamlFault | undefined {
  const [from, until] = [node.attributes.get('NotBefore'), node.attributes.get('NotOnOrAfter')];
  const [start, end] = [instant(from), instant(until)];
  if ((from !== undefined && start === undefined) || (until !== undefined && end === undefined))
    return fault('form', `${what} has a time that cannot be read`);
  if (start !== undefined && now + skewMs < start)
    return fault('not-yet-valid', `${what} begins in ${seconds(start - now)}; are the clocks right?`);
  if (end !== undefined && now - skewMs >= end)
    return fault('expired', `${what} ended ${seconds(now - end)} ago; are the clocks right?`);
  return undefined;
}

/** Somebody must have been authenticated, and not in the future. */
function readSession(root: XmlNode, { now, skewMs }: Expected): number | undefined {
  const statements = childrenOf(root, ASSERTION, 'AuthnStatement');
  if (statements.length === 0)
    throw fault('form', 'the assertion does not say that anybody was authenticated');
  const ends: number[] = [];
  for (const { attributes } of statements) {
    const at = instant(attributes.get('AuthnInstant'));
    if (at === undefined || at > now + skewMs)
      throw fault('not-yet-valid', 'the authentication is in the future; are the clocks right?');
    const text = attributes.get('SessionNotOnOrAfter');
    const end = instant(text);
    if (text !== undefined && end === undefined) throw fault('form', 'the end of the session cannot be read');
    if (end !== undefined) ends.push(end);
  }
  const first = ends.length === 0 ? undefined : Math.min(...ends);
  if (first !== undefined && now - skewMs >= first)
    throw fault('expired', 'the session at the identity provider is over');
  return first;
}

function readAttributes(root: XmlNode): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const statement of childrenOf(root, ASSERTION, 'AttributeStatement')) {
    for (const attribute of childrenOf(statement, ASSERTION, 'Attribute')) {
      const name = attribute.attributes.get('Name') ?? '';
      // A value with elements inside is no plain text, and no user id.
      const values = childrenOf(attribute, ASSERTION, 'AttributeValue').map(({ text, children }) =>
        children.length > 0 ? '' : text,
      );
      found.set(name, [...(found.get(name) ?? []), ...values]);
    }
  }
  return found;
}

/** xs:dateTime in UTC (saml-core §1.3.3), as milliseconds; undefined for anything else. */
export function instant(text: string | undefined): number | undefined {
  const shape = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?Z$/;
  if (text === undefined || !shape.test(text)) return undefined;
  const value = Date.parse(text.replace(/(\.\d{3})\d+Z$/, '$1Z'));
  return Number.isNaN(value) ? undefined : value;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}

function fault(reason: SamlFault['reason'], text: string): SamlFault {
  return new SamlFault(reason, `Invalid SAML Response: ${text}`);
}
