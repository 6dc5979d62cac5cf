// A sign-on with its store, clock and a test identity provider: begins a sign-in, lets the test write the response, and
// plays the browser. Not part of the product.
import { randomBytes, randomUUID } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import { createMemoryStore } from '../../zones/store/memory-store.ts';
import { ManualClock } from '../../zones/test-clock.ts';
import {
  createIdentityProviders,
  type IdentityProviderOptions,
  type IdentityProviders,
} from './identity-providers.ts';
import { SamlFault } from './saml-fault.ts';
import { type Begun, createSignOn, type Returned, type SignedOn, type SignOn } from './sign-on.ts';
import {
  idpEntity,
  printAssertion,
  printIdpMetadata,
  printResponse,
  sign,
  testKeys,
  type Told,
} from './test-idp.ts';

export const consumer = 'https://edge1.example.com:8443/ZXhhbXBsZS5jb20/fedlet';
export const audience = 'example.com--0123456789abcdef';
export const purpose = {
  responseType: 'token',
  clientId: 'C1',
  deviceId: 'D1',
  redirectUri: undefined,
  state: undefined,
} as const;

export const usualProvider: Omit<IdentityProviderOptions, 'document'> = {
  name: 'corporate',
  domains: ['example.com'],
  entityId: undefined,
  url: undefined,
  metadataSigner: undefined,
  digest: 'sha256',
  allowSha1: false,
  wantAssertionSigned: true,
  forceAuthn: false,
  user: { attribute: 'uid', stripDomain: false },
};

export interface TestSignOn {
  readonly clock: ManualClock;
  readonly providers: IdentityProviders;
  readonly signOn: SignOn;
  /** What the provider's URL gives from now on. */
  publish(metadata: string): void;
  /** Begins a sign-in; what a truthful provider would say to it. */
  begin(): Promise<{ begun: Begun; told: Told; relayState: string; requestId: string }>;
  /** Brings a response back in the browser that began. */
  finish(
    sent: { begun: Begun; relayState: string },
    xml: string,
    change?: Partial<Returned>,
  ): Promise<SignedOn>;
  /** The reason word of a refusal, or `accepted USER`. */
  verdict(
    sent: { begun: Begun; relayState: string },
    xml: string,
    change?: Partial<Returned>,
  ): Promise<string>;
}

export async function openSignOn(change: Partial<IdentityProviderOptions> = {}): Promise<TestSignOn> {
  const clock = new ManualClock();
  const [own, idp] = await Promise.all([testKeys('sp'), testKeys('idp')]);
  const nothing = (): void => undefined;
  let begunSoFar = 0;
  let published = '';
  const store = createMemoryStore({
    journal: undefined,
    sweepMs: 60_000,
    clock,
    count: nothing,
    onHealth: nothing,
  });
  const space = { maxEntries: 1000, maxEntryLength: 4000, whenFull: 'refuse', durable: false } as const;
  const providers = createIdentityProviders({
    providers: [{ ...usualProvider, document: printIdpMetadata([idp.certificate]), ...change }],
    fetch: () => (published === '' ? Promise.reject(new Error('nobody there')) : Promise.resolve(published)),
    refreshMs: 3_600_000,
    retryMs: 60_000,
    staleMs: 86_400_000,
    warnBeforeMs: 30 * 86_400_000,
    now: clock.wall,
    after: (ms, callback) => clock.after(ms, callback),
    log: { info: nothing, warn: nothing },
    count: nothing,
  });
  const signOn = createSignOn({
    keys: { privateKey: own.key },
    providers,
    entityId: () => audience,
    pending: store.namespace('pending', space),
    used: store.namespace('used', space),
    signInMs: 300_000,
    skewMs: 60_000,
    maxBegunPerAddress: 5,
    now: clock.wall,
    randomBytes,
    newUuid: randomUUID,
  });
  const test: TestSignOn = {
    clock,
    providers,
    signOn,
    publish: (metadata) => void (published = metadata),
    async begin() {
      begunSoFar += 1;
      const begun = await signOn.begin('example.com', consumer, `192.0.2.${begunSoFar}`, purpose);
      const url = new URL(begun.location);
      const requestId = /ID="([^"]+)"/.exec(readRequest(url))?.[1] ?? '';
      const now = clock.wall();
      const told: Told = {
        responseId: '_response',
        assertionId: '_assertion',
        issuer: idpEntity,
        assertionIssuer: idpEntity,
        destination: consumer,
        recipient: consumer,
        audience,
        inResponseTo: requestId,
        subjectInResponseTo: requestId,
        status: 'urn:oasis:names:tc:SAML:2.0:status:Success',
        notBefore: now,
        notOnOrAfter: now + 300_000,
        confirmedUntil: now + 300_000,
        user: 'alice',
        conditions: '',
        attributes: '',
        subject: '',
        statement: '',
        doctype: '',
      };
      return { begun, told, relayState: url.searchParams.get('RelayState') ?? '', requestId };
    },
    finish: ({ begun, relayState }, xml, returned = {}) =>
      signOn.finish({
        domain: 'example.com',
        consumer,
        samlResponse: Buffer.from(xml).toString('base64'),
        relayState,
        cookie: (name) => (name === begun.cookie.name ? begun.cookie.value : undefined),
        ...returned,
      }),
    async verdict(sent, xml, returned) {
      try {
        return `accepted ${(await test.finish(sent, xml, returned)).user}`;
      } catch (error) {
        if (error instanceof SamlFault) return error.reason;
        throw error;
      }
    },
  };
  return test;
}

/** The AuthnRequest in a redirect. */
export function readRequest(url: URL): string {
  return inflateRawSync(Buffer.from(url.searchParams.get('SAMLRequest') ?? '', 'base64')).toString();
}

/** The usual response: assertion signed, then the Response. */
export async function truthful(told: Told): Promise<string> {
  const assertion = await sign(printAssertion(told), told.assertionId);
  return sign(printResponse(told, assertion), told.responseId);
}
