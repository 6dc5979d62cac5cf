// A second implementation as identity provider: samlify, from npm. It reads our metadata, checks our request and writes the
// response in its own words.
import { randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import { beforeAll, expect, test } from 'vitest';
import { printSpMetadata } from './sp-metadata.ts';
import { makeTestKeys, printIdpMetadata, testKeys } from './test-idp.ts';
import { audience, consumer, openSignOn } from './test-sign-on.ts';

interface Request {
  readonly extract: { readonly request?: { readonly id?: string } };
}
interface Provider {
  parseLoginRequest(
    other: Provider,
    binding: 'redirect',
    request: { readonly query: Record<string, string>; readonly octetString: string },
  ): Promise<Request>;
  createLoginResponse(
    other: Provider,
    request: Request,
    binding: 'post',
    user: object,
    fill: (template: string) => { readonly id: string; readonly context: string },
  ): Promise<{ readonly context: string }>;
}
interface Samlify {
  IdentityProvider(settings: object): Provider;
  ServiceProvider(settings: object): Provider;
  setSchemaValidator(validator: { validate(xml: string): Promise<string> }): void;
  readonly SamlLib: {
    readonly defaultLoginResponseTemplate: { readonly context: string };
    replaceTagsByValue(template: string, values: Readonly<Record<string, string>>): string;
  };
}

// Not by import: its own declarations bring in those of a browser, which contradict Node's.
const require = createRequire(import.meta.url);
const samlify = require('samlify') as Samlify;

beforeAll(makeTestKeys, 60_000);
beforeAll(() => {
  // Its schema check wants a validator; the reading side is what is tried here.
  samlify.setSchemaValidator({ validate: async () => 'skipped' });
});

test.each([false, true])('samlify signs our user on; message signed too: %s', async (isMessageSigned) => {
  const [own, idpKeys] = await Promise.all([testKeys('sp'), testKeys('idp')]);
  const saml = await openSignOn();
  const sent = await saml.begin();
  const idp = samlify.IdentityProvider({
    metadata: printIdpMetadata([idpKeys.certificate]).replace(
      '<md:IDPSSODescriptor ',
      '<md:IDPSSODescriptor WantAuthnRequestsSigned="true" ',
    ),
    privateKey: idpKeys.key,
    requestSignatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
    isAssertionEncrypted: false,
    ...(isMessageSigned ? { messageSigningOrder: 'sign-then-encrypt' } : {}),
    loginResponseTemplate: {
      context: samlify.SamlLib.defaultLoginResponseTemplate.context,
      attributes: [
        {
          name: 'uid',
          valueTag: 'uid',
          nameFormat: 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic',
          valueXsiType: 'xs:string',
        },
      ],
    },
  });
  const sp = samlify.ServiceProvider({
    metadata: printSpMetadata([{ entityId: audience, consumers: [consumer] }], own.certificate),
    wantMessageSigned: isMessageSigned,
  });
  const url = new URL(sent.begun.location);
  const octetString = url.search.slice(1).split('&Signature=')[0] ?? '';
  const asked = await idp.parseLoginRequest(sp, 'redirect', {
    query: Object.fromEntries(url.searchParams),
    octetString,
  });
  expect(asked.extract.request?.id).toBe(sent.requestId);
  const tags = (template: string) => {
    const at = (ms: number): string => new Date(saml.clock.wall() + ms).toISOString();
    const id = `_${randomUUID()}`;
    const values: Record<string, string> = {
      ID: id,
      AssertionID: `_${randomUUID()}`,
      Destination: consumer,
      Audience: audience,
      SubjectRecipient: consumer,
      AssertionConsumerServiceURL: consumer,
      Issuer: 'https://idp.example.com/metadata',
      IssueInstant: at(0),
      StatusCode: 'urn:oasis:names:tc:SAML:2.0:status:Success',
      ConditionsNotBefore: at(0),
      ConditionsNotOnOrAfter: at(60_000),
      SubjectConfirmationDataNotOnOrAfter: at(60_000),
      NameIDFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
      NameID: 'x',
      InResponseTo: sent.requestId,
      AuthnStatement: `<saml:AuthnStatement AuthnInstant="${at(0)}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`,
      attrUid: 'alice',
    };
    const withStatement = template.replace('{AuthnStatement}', values['AuthnStatement'] ?? '');
    return { id, context: samlify.SamlLib.replaceTagsByValue(withStatement, values) };
  };
  const made = await idp.createLoginResponse(sp, asked, 'post', {}, tags);
  const xml = Buffer.from(made.context, 'base64').toString();
  expect(xml.match(/<ds:Signature |<Signature /g)?.length ?? 0).toBeGreaterThan(0);
  expect(await saml.verdict(sent, xml), xml).toBe('accepted alice');
});
