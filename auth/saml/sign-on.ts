// Single sign-on by SAML 2.0 as a service provider (saml-profiles §4.1): begins a sign-in with a signed request, ends it
// with the response. A sign-in belongs to the browser that began it: its id, a RelayState and a cookie must come back
// together, once, within its time, at the consumer it was sent to; where from does not matter, so that it may begin at
// one edge of a cluster and end at another. State lives in the store, bounded there; a stranger costs one entry and one
// signature, and an address has only so many of those per period.
import { createHash, timingSafeEqual } from 'node:crypto';
import { readAssertion } from './assertion.ts';
import type { IdentityProviders, ReadyProvider } from './identity-providers.ts';
import { SUCCESS } from './names.ts';
import { maxResponseLength, printable, readResponseForm, type ResponseForm } from './response-form.ts';
import { SamlFault } from './saml-fault.ts';
import { openResponse, printAuthnRequest, type ServiceProviderKeys } from './saml-library.ts';
import { readUser } from './user-rule.ts';

/** What of the shared store this needs. */
export interface SignOnStore {
  get(key: string): Promise<string | undefined>;
  set(key: string, value: string, ttlMs: number): Promise<void>;
  /** Sets only if absent; true if it did. */
  add(key: string, value: string, ttlMs: number): Promise<boolean>;
  /** Reads and removes in one step. */
  take(key: string): Promise<string | undefined>;
  increment(key: string, ttlMs: number): Promise<number>;
}

export interface SignOnOptions {
  readonly keys: ServiceProviderKeys;
  readonly providers: IdentityProviders;
  /** Our entity id for a domain. */
  readonly entityId: (domain: string) => string;
  /** Sign-ins under way and counters. */
  readonly pending: SignOnStore;
  /** Ids of assertions that were used; must not forget early. */
  readonly used: Pick<SignOnStore, 'add'>;
  /** How long a user may take at the identity provider. */
  readonly signInMs: number;
  readonly skewMs: number;
  /** Sign-ins one address may begin per `signInMs`. */
  readonly maxBegunPerAddress: number;
  /** Wall clock. */
  readonly now: () => number;
  readonly randomBytes: (count: number) => Buffer;
  readonly newUuid: () => string;
}

/** What the client wants once its user is known; kept while the browser is away. */
export interface Purpose {
  readonly responseType: 'token' | 'code';
  readonly clientId: string;
  readonly deviceId: string;
  /** Where the answer goes; undefined: our own page. */
  readonly redirectUri: string | undefined;
  readonly state: string | undefined;
}

export interface Begun {
  /** The identity provider, with the request. */
  readonly location: string;
  readonly cookie: { readonly name: string; readonly value: string; readonly maxAgeS: number };
}

export interface Returned {
  readonly domain: string;
  /** URL at which the browser is. */
  readonly consumer: string;
  readonly samlResponse: string;
  readonly relayState: string | undefined;
  /** Value of a cookie of this name, if there is exactly one. */
  readonly cookie: (name: string) => string | undefined;
}

export interface SignedOn {
  readonly user: string;
  readonly provider: string;
  readonly purpose: Purpose;
  /** Name of the cookie that has done its work. */
  readonly cookieName: string;
  readonly sessionEndsAt: number | undefined;
}

export interface SignOn {
  /** Rejects with SamlFault `identity-provider`, RateFault, or the store's error. */
  begin(domain: string, consumer: string, address: string | undefined, purpose: Purpose): Promise<Begun>;
  /** Rejects with SamlFault or the store's error. */
  finish(returned: Returned): Promise<SignedOn>;
}

/** An address has begun too many sign-ins. */
export class RateFault extends Error {
  readonly retryAfterS: number;
  constructor(retryAfterS: number) {
    super('too many sign-ins begun at this address');
    this.name = 'RateFault';
    this.retryAfterS = retryAfterS;
  }
}

/** Kept under the SHA-256 of the RelayState. */
interface Pending {
  /** ID of the AuthnRequest. */
  readonly id: string;
  readonly domain: string;
  readonly consumer: string;
  /** SHA-256 of the cookie. */
  readonly cookie: string;
  readonly provider: string;
  readonly entityId: string;
  readonly purpose: Purpose;
}

/** Responses to one sign-in: a broken one, a reload, a second window. */
const maxTries = 5;

export function createSignOn(options: SignOnOptions): SignOn {
  return {
    begin: (domain, consumer, address, purpose) => begin(options, domain, consumer, address, purpose),
    finish: (returned) => finish(options, returned),
  };
}

async function begin(
  options: SignOnOptions,
  domain: string,
  consumer: string,
  address: string | undefined,
  purpose: Purpose,
): Promise<Begun> {
  const provider = readyProvider(options, domain);
  await countBegun(options, address);
  const id = `id-${options.newUuid()}`;
  const [relayState, cookie] = [secret(options), secret(options)];
  const pending: Pending = {
    id,
    domain,
    consumer,
    cookie: digest(cookie),
    provider: provider.options.name,
    entityId: provider.entityId,
    purpose,
  };
  const location = await printAuthnRequest(options.keys, {
    id,
    issuer: options.entityId(domain),
    consumer,
    destination: provider.signOnUrl,
    relayState,
    digest: provider.options.digest,
    forceAuthn: provider.options.forceAuthn,
  });
  await options.pending.set(`sign-in:${digest(relayState)}`, JSON.stringify(pending), options.signInMs);
  return {
    location,
    cookie: { name: cookieName(id), value: cookie, maxAgeS: Math.ceil(options.signInMs / 1000) },
  };
}

async function finish(options: SignOnOptions, returned: Returned): Promise<SignedOn> {
  // Who waits for an answer is asked before anything is read: a stranger's message costs one look into the store.
  const { key, pending } = await findPending(options, returned);
  await countTry(options, key);
  const provider = readyProvider(options, pending.domain);
  if (provider.options.name !== pending.provider || provider.entityId !== pending.entityId)
    throw new SamlFault('identity-provider', 'the domain was given to another identity provider meanwhile');
  const xml = decode(returned.samlResponse);
  const form = readResponseForm(xml, provider.options.allowSha1);
  checkOutside(form, pending);
  const settings = provider.options;
  const signed = await openWithKeys(options, xml, form, provider);
  const facts = readAssertion(signed, {
    issuer: pending.entityId,
    audience: options.entityId(pending.domain),
    recipient: pending.consumer,
    requestId: pending.id,
    now: options.now(),
    skewMs: options.skewMs,
  });
  const user = readUser(settings.user, facts.attributes, pending.domain);
  await useOnce(options, key, pending, facts);
  return {
    user,
    provider: settings.name,
    purpose: pending.purpose,
    cookieName: cookieName(pending.id),
    sessionEndsAt: facts.sessionEndsAt,
  };
}

/** Verifies and opens; a provider that has changed its keys without waiting for us is asked for the new ones, once. */
async function openWithKeys(
  options: SignOnOptions,
  xml: string,
  form: ResponseForm,
  provider: ReadyProvider,
): Promise<string> {
  const { allowSha1, wantAssertionSigned, name } = provider.options;
  const open = (certificates: readonly string[]): Promise<string> =>
    openResponse(xml, form, options.keys, { certificates, allowSha1, wantAssertionSigned });
  try {
    return await open(provider.certificates);
  } catch (error) {
    const isSignature = error instanceof SamlFault && error.reason === 'signature';
    if (!isSignature || !(await options.providers.renew(name))) throw error;
    const renewed = options.providers.of(provider.options.domains[0] ?? '');
    if (renewed?.kind !== 'ready' || renewed.options.name !== name) throw error;
    return open(renewed.certificates);
  }
}

/** The sign-in that RelayState names, if it was begun by this browser and ends where it should. */
async function findPending(
  options: SignOnOptions,
  returned: Returned,
): Promise<{ readonly key: string; readonly pending: Pending }> {
  if (returned.relayState === undefined)
    throw new SamlFault('session', 'the identity provider did not give RelayState back');
  const key = digest(returned.relayState);
  const text = await options.pending.get(`sign-in:${key}`);
  if (text === undefined)
    throw new SamlFault(
      'session',
      'no sign-in waits for this response: begun too long ago, used, or unasked for',
    );
  const pending = JSON.parse(text) as Pending;
  if (pending.domain !== returned.domain || pending.consumer !== returned.consumer)
    throw new SamlFault('destination', `the response belongs at ${pending.consumer}`);
  const cookie = returned.cookie(cookieName(pending.id));
  if (cookie === undefined || !isSame(digest(cookie), pending.cookie))
    throw new SamlFault('session', 'another browser began this sign-in, or it keeps no cookies');
  return { key, pending };
}

/** A response costs some milliseconds to judge: whoever has begun a sign-in may try only so often. */
async function countTry(options: SignOnOptions, key: string): Promise<void> {
  const tries = await options.pending.increment(`tries:${key}`, options.signInMs);
  if (tries <= maxTries) return;
  await options.pending.take(`sign-in:${key}`);
  throw new SamlFault('session', `${maxTries} responses to this sign-in were refused; it is over`);
}

/** The sign-in is over for whoever comes second, with the same response or another one. */
async function useOnce(
  options: SignOnOptions,
  key: string,
  pending: Pending,
  facts: { readonly id: string; readonly goodUntil: number },
): Promise<void> {
  const first = await options.pending.take(`sign-in:${key}`);
  const keepMs = Math.max(1000, facts.goodUntil - options.now());
  const fresh = await options.used.add(`assertion:${digest(`${pending.entityId} ${facts.id}`)}`, '', keepMs);
  if (first === undefined || !fresh) throw new SamlFault('replayed', 'the assertion has been used before');
}

/** What stands outside the signature is only good for refusing. */
function checkOutside(form: ResponseForm, pending: Pending): void {
  if (form.status !== SUCCESS) {
    const words = printable(`${form.status}${form.statusDetail === '' ? '' : `, ${form.statusDetail}`}`);
    throw new SamlFault('status', `the identity provider says no: ${words}`);
  }
  if (form.inResponseTo !== pending.id)
    throw new SamlFault('in-response-to', 'the response does not answer the request of this sign-in');
  if (form.destination !== undefined && form.destination !== pending.consumer)
    throw new SamlFault('destination', `the response is for ${printable(form.destination)}`);
  if (form.responseSigned && form.destination === undefined)
    throw new SamlFault(
      'destination',
      'a signed response must name its destination (saml-bindings §3.5.5.2)',
    );
  if (form.issuer !== undefined && form.issuer !== pending.entityId)
    throw new SamlFault(
      'issuer',
      `the response is by ${printable(form.issuer)}, asked was ${pending.entityId}`,
    );
}

function readyProvider(options: SignOnOptions, domain: string): ReadyProvider {
  const state = options.providers.of(domain);
  if (state === undefined)
    throw new SamlFault('identity-provider', `no identity provider is configured for ${domain}`);
  if (state.kind === 'ready') return state;
  throw new SamlFault(
    'identity-provider',
    `the identity provider ${state.name} cannot be used: ${state.cause}`,
  );
}

async function countBegun(options: SignOnOptions, address: string | undefined): Promise<void> {
  const { signInMs, maxBegunPerAddress } = options;
  const period = Math.floor(options.now() / signInMs);
  const key = `begun:${period}:${digest(network(address ?? 'unknown')).slice(0, 22)}`;
  const begun = await options.pending.increment(key, signInMs);
  if (begun > maxBegunPerAddress)
    throw new RateFault(Math.max(1, Math.ceil((signInMs - (options.now() % signInMs)) / 1000)));
}

/** An IPv6 host has a /64 of its own. */
function network(address: string): string {
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const front = head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - front.length - back.length);
  return [...front, ...Array<string>(zeros).fill('0'), ...back].slice(0, 4).join(':');
}

/** Strict base64 of strict UTF-8; line breaks are allowed, as browsers send them. @throws SamlFault. */
function decode(text: string): string {
  const plain = text.replaceAll(/[\r\n]/g, '');
  if (plain.length > (maxResponseLength * 4) / 3 || !/^[A-Za-z0-9+/]+={0,2}$/.test(plain))
    throw new SamlFault('form', 'Invalid SAML Response: it is no base64, or too long');
  try {
    return utf8.decode(Buffer.from(plain, 'base64'));
  } catch (cause) {
    throw new SamlFault('form', 'Invalid SAML Response: it is no UTF-8', { cause });
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

function secret(options: SignOnOptions): string {
  return options.randomBytes(32).toString('base64url');
}

function digest(text: string): string {
  return createHash('sha256').update(text, 'utf8').digest('base64url');
}

function isSame(left: string, right: string): boolean {
  return left.length === right.length && timingSafeEqual(Buffer.from(left), Buffer.from(right));
}

/** One cookie per sign-in, so that two windows do not disturb each other. */
function cookieName(id: string): string {
  return `Viaduct-Sign-On-${id.slice(3, 11)}`;
}
