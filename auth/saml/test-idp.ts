// An identity provider for tests that can be told to lie: every part of a response can be changed before or after it is
// signed. Shares no code with the reading side: it writes text and signs with xml-crypto. Not part of the product.
import { createPublicKey } from 'node:crypto';
import { promisify } from 'node:util';
import { SignedXml } from 'xml-crypto';
import { encrypt, type EncryptionAlgorithm, type KeyEncryptionAlgorithm } from 'xml-encryption';
import { createSigningCertificate, type SigningCertificate } from './sp-certificate.ts';

/** What a response says; each field may be wrong. */
export interface Told {
  readonly responseId: string;
  readonly assertionId: string;
  readonly issuer: string;
  readonly assertionIssuer: string;
  readonly destination: string;
  readonly recipient: string;
  readonly audience: string;
  readonly inResponseTo: string;
  readonly subjectInResponseTo: string;
  readonly status: string;
  readonly notBefore: number;
  readonly notOnOrAfter: number;
  readonly confirmedUntil: number;
  readonly user: string;
  /** Raw XML instead of the usual element. */
  readonly conditions: string;
  readonly attributes: string;
  readonly subject: string;
  readonly statement: string;
  readonly doctype: string;
}

export interface Signing {
  readonly signature?: string;
  readonly digest?: string;
  readonly canonical?: string;
  readonly key?: string;
  readonly transforms?: readonly string[];
}

const sha256 = 'http://www.w3.org/2001/04/xmlenc#sha256';
const rsaSha256 = 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256';
const exclusive = 'http://www.w3.org/2001/10/xml-exc-c14n#';
const enveloped = 'http://www.w3.org/2000/09/xmldsig#enveloped-signature';
export const idpEntity = 'https://idp.example.com/metadata';

const time = (ms: number): string => new Date(ms).toISOString();

/** Keys are dear to make: one pair for every test of a run. */
const keys = new Map<string, Promise<SigningCertificate>>();
export function testKeys(name: string): Promise<SigningCertificate> {
  const known = keys.get(name);
  if (known !== undefined) return known;
  const made = createSigningCertificate(name, { fromMs: 0, untilMs: Date.UTC(2049, 0), bits: 2048 });
  keys.set(name, made);
  return made;
}

/** Makes every pair the tests use; for a hook, which may take its time on a loaded machine. */
export async function makeTestKeys(): Promise<void> {
  await Promise.all(['sp', 'idp', 'stranger', 'signer'].map(testKeys));
}

/** The assertion, unsigned. */
export function printAssertion(told: Told): string {
  const conditions =
    told.conditions ||
    `<saml:Conditions NotBefore="${time(told.notBefore)}" NotOnOrAfter="${time(told.notOnOrAfter)}">` +
      `<saml:AudienceRestriction><saml:Audience>${told.audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>`;
  const subject =
    told.subject ||
    `<saml:Subject><saml:NameID>${told.user}</saml:NameID>` +
      `<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData ` +
      `Recipient="${told.recipient}" NotOnOrAfter="${time(told.confirmedUntil)}" ` +
      `InResponseTo="${told.subjectInResponseTo}"/></saml:SubjectConfirmation></saml:Subject>`;
  const attributes =
    told.attributes ||
    `<saml:AttributeStatement><saml:Attribute Name="uid"><saml:AttributeValue>${told.user}</saml:AttributeValue>` +
      `</saml:Attribute></saml:AttributeStatement>`;
  const statement =
    told.statement ||
    `<saml:AuthnStatement AuthnInstant="${time(told.notBefore)}"><saml:AuthnContext><saml:AuthnContextClassRef>` +
      `urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>`;
  return (
    `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${told.assertionId}" Version="2.0" ` +
    `IssueInstant="${time(told.notBefore)}"><saml:Issuer>${told.assertionIssuer}</saml:Issuer>` +
    `${subject}${conditions}${statement}${attributes}</saml:Assertion>`
  );
}

/** A Response round `inside`, unsigned. */
export function printResponse(told: Told, inside: string): string {
  return (
    `${told.doctype}<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ` +
    `xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${told.responseId}" Version="2.0" ` +
    `IssueInstant="${time(told.notBefore)}" Destination="${told.destination}" InResponseTo="${told.inResponseTo}">` +
    `<saml:Issuer>${told.issuer}</saml:Issuer><samlp:Status><samlp:StatusCode Value="${told.status}"/></samlp:Status>` +
    `${inside}</samlp:Response>`
  );
}

/** Signs the element with this ID; the signature goes behind its Issuer. */
export async function sign(xml: string, id: string, signing: Signing = {}): Promise<string> {
  const signer = new SignedXml({
    privateKey: signing.key ?? (await testKeys('idp')).key,
    signatureAlgorithm: signing.signature ?? rsaSha256,
    canonicalizationAlgorithm: signing.canonical ?? exclusive,
  });
  signer.addReference({
    xpath: `//*[@ID='${id}']`,
    transforms: [...(signing.transforms ?? [enveloped, exclusive])],
    digestAlgorithm: signing.digest ?? sha256,
  });
  signer.computeSignature(xml, {
    prefix: 'ds',
    location: { reference: `//*[@ID='${id}']/*[local-name()='Issuer']`, action: 'after' },
  });
  return signer.getSignedXml();
}

export interface Encrypting {
  readonly cipher?: EncryptionAlgorithm;
  readonly transport?: KeyEncryptionAlgorithm;
}

/** An EncryptedAssertion for the holder of `certificate`. */
export async function encryptAssertion(
  assertion: string,
  certificate: string,
  { cipher, transport }: Encrypting = {},
): Promise<string> {
  const data = await promisify(encrypt)(assertion, {
    rsa_pub: createPublicKey(certificate).export({ type: 'spki', format: 'pem' }).toString(),
    pem: certificate,
    encryptionAlgorithm: cipher ?? 'http://www.w3.org/2009/xmlenc11#aes256-gcm',
    keyEncryptionAlgorithm: transport ?? 'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
    warnInsecureAlgorithm: false,
    disallowEncryptionWithInsecureAlgorithm: false,
  });
  return `<saml:EncryptedAssertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">${data}</saml:EncryptedAssertion>`;
}

/** Metadata with these signing certificates (PEM). */
export function printIdpMetadata(
  certificates: readonly string[],
  change: { entityId?: string; location?: string; attributes?: string; binding?: string } = {},
): string {
  const key = (pem: string): string =>
    `<md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>` +
    `${pem.replaceAll(/-----[A-Z ]+-----|\s/g, '')}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>`;
  return (
    `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" ID="_metadata" ` +
    `entityID="${change.entityId ?? idpEntity}" ${change.attributes ?? ''}>` +
    `<md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">` +
    `${certificates.map(key).join('')}<md:SingleSignOnService Binding="${change.binding ?? 'urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect'}" ` +
    `Location="${change.location ?? 'https://idp.example.com/sso'}"/></md:IDPSSODescriptor></md:EntityDescriptor>`
  );
}
