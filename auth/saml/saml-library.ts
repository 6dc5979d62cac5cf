// The one place that touches the SAML library (decision 0044): it signs requests and verifies signatures; every judgement
// on times, names, audience and replay is ours and comes before or after. Loaded on first use: core starts without it.
import type { SAML, SamlConfig } from '@node-saml/node-saml';
import { readResponseForm, checkAssertionForm, type ResponseForm } from './response-form.ts';
import { GCM } from './names.ts';
import { SamlFault } from './saml-fault.ts';

export type RequestDigest = 'sha1' | 'sha256' | 'sha512';

/** Our side: keys that sign requests and open assertions, PEM. */
export interface ServiceProviderKeys {
  readonly privateKey: string;
}

/** The other side, as far as signatures go. */
export interface VerificationKeys {
  /** Signing certificates that are good now, PEM. */
  readonly certificates: readonly string[];
  readonly allowSha1: boolean;
  /** Refuse a Response that does not sign the assertion itself. */
  readonly wantAssertionSigned: boolean;
}

/** What an AuthnRequest says. */
export interface RequestContent {
  readonly id: string;
  readonly issuer: string;
  readonly consumer: string;
  readonly destination: string;
  readonly relayState: string;
  readonly digest: RequestDigest;
  readonly forceAuthn: boolean;
}

/** The URL to which the browser is sent: HTTP-Redirect binding, deflated and signed (saml-bindings §3.4). */
export async function printAuthnRequest(keys: ServiceProviderKeys, content: RequestContent): Promise<string> {
  const saml = await openLibrary({
    ...usual,
    issuer: content.issuer,
    callbackUrl: content.consumer,
    entryPoint: content.destination,
    privateKey: keys.privateKey,
    signatureAlgorithm: content.digest,
    forceAuthn: content.forceAuthn,
    // A request verifies nothing, but the library wants a certificate.
    idpCert: 'AAAA',
    generateUniqueId: () => content.id,
  });
  return saml.getAuthorizeUrlAsync(content.relayState, undefined, {});
}

/**
 * The assertion whose signature is good, as the canonical bytes that were signed (or lay, encrypted, inside what was).
 * `form` is what `readResponseForm` found in the same text. @throws SamlFault.
 */
export async function openResponse(
  xml: string,
  form: ResponseForm,
  keys: ServiceProviderKeys,
  signer: VerificationKeys,
): Promise<string> {
  if (!form.responseSigned && !form.encrypted && !form.assertionSigned)
    throw new SamlFault('signature', 'Invalid SAML Response: nothing in it is signed');
  if (form.unauthenticatedCipher && !form.responseSigned)
    throw new SamlFault('algorithm', 'Invalid SAML Response: a CBC cipher without a signature round it');
  if (signer.certificates.length === 0)
    throw new SamlFault('signature', 'no signing certificate of the identity provider is good now');
  if (!form.encrypted) return verify(xml, form, signer);
  // With a signature round the cipher text, that is looked at first; else what GCM opens is judged by itself.
  const opened = form.responseSigned
    ? await verify(xml, form, signer, keys.privateKey)
    : await decrypt(xml, keys.privateKey);
  const inner = checkAssertionForm(opened, signer.allowSha1);
  if (form.responseSigned && !signer.wantAssertionSigned) return opened;
  if (!inner.signed) throw new SamlFault('signature', 'Invalid SAML Response: the assertion is not signed');
  const bare = wrap(opened);
  return verify(bare, readResponseForm(bare, signer.allowSha1), signer);
}

async function verify(
  xml: string,
  form: ResponseForm,
  signer: VerificationKeys,
  decryptionKey?: string,
): Promise<string> {
  if (signer.wantAssertionSigned && !form.encrypted && !form.assertionSigned)
    throw new SamlFault('signature', 'Invalid SAML Response: the assertion itself is not signed');
  const saml = await openLibrary({
    ...usual,
    issuer: 'unused',
    callbackUrl: 'https://unused.invalid/',
    idpCert: [...signer.certificates],
    // Whatever is signed must be signed well: a good signature does not excuse a bad one beside it.
    wantAuthnResponseSigned: form.responseSigned,
    wantAssertionsSigned: form.assertionSigned,
    ...(decryptionKey === undefined ? {} : { decryptionPvk: decryptionKey }),
  });
  try {
    const { profile } = await saml.validatePostResponseAsync({
      SAMLResponse: Buffer.from(xml, 'utf8').toString('base64'),
    });
    const bytes: unknown = profile?.getAssertionXml?.();
    if (typeof bytes !== 'string') throw new Error('no signed assertion came out');
    return bytes;
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    throw new SamlFault(
      'signature',
      `Invalid SAML Response: its signature is not good (${cause.slice(0, 120)})`,
      {
        cause: error,
      },
    );
  }
}

const encryptedAssertion = /<((?:[\w.-]+:)?)EncryptedAssertion[\s>][^]*<\/\1EncryptedAssertion\s*>/;

/** Only for a form that `readResponseForm` has passed: one encrypted assertion, OAEP and GCM. */
async function decrypt(xml: string, privateKey: string): Promise<string> {
  const { decrypt: open } = await import('xml-encryption');
  const part = encryptedAssertion.exec(xml)?.[0];
  if (part === undefined || ![...GCM].some((name) => part.includes(name)))
    throw new SamlFault('form', 'Invalid SAML Response: the encrypted assertion cannot be cut out');
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = {
    key: privateKey,
    disallowDecryptionWithInsecureAlgorithm: true,
    warnInsecureAlgorithm: false,
  };
  try {
    open(part, options, (error, text) => (error ? reject(error) : resolve(text ?? '')));
    return await promise;
  } catch (error) {
    throw new SamlFault(
      'decryption',
      'Invalid SAML Response: the assertion cannot be decrypted with our key',
      {
        cause: error,
      },
    );
  }
}

/** The least Response round an assertion that proves itself. */
function wrap(assertion: string): string {
  return (
    '<p:Response xmlns:p="urn:oasis:names:tc:SAML:2.0:protocol" ID="_outside" Version="2.0">' +
    '<p:Status><p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></p:Status>' +
    `${assertion.replace(/^<\?xml[^>]*\?>/, '')}</p:Response>`
  );
}

/** The library's own opinions on time, audience and answers are switched off: assertion.ts has them, with our clock. */
const usual = {
  audience: false,
  acceptedClockSkewMs: -1,
  disableRequestedAuthnContext: true,
  identifierFormat: 'urn:oasis:names:tc:SAML:2.0:nameid-format:transient',
} as const satisfies Partial<SamlConfig>;

async function openLibrary(options: SamlConfig): Promise<SAML> {
  const { SAML: Library } = await import('@node-saml/node-saml');
  return new Library(options);
}
