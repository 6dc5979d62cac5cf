// Our side of the agreement: the metadata that an identity provider imports (saml-metadata §2.4.4). One entity per domain,
// `<domain>--<16 hex digits>` (mra-wire §2.3). Mode `cluster`: the digits follow the key alone, so that every core with
// the same key is the same relying party; mode `peer`: they follow the core's name too, and each core is its own.
import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import { METADATA, POST, PROTOCOL, SIGNATURE } from './names.ts';

export type MetadataMode = 'cluster' | 'peer';

/** Our entity id for a domain. `certificate` is PEM. */
export function entityIdOf(domain: string, certificate: string, mode: MetadataMode, core: string): string {
  const key = createPublicKey(certificate).export({ type: 'spki', format: 'der' });
  const hash = createHash('sha256').update(key);
  if (mode === 'peer') hash.update(core);
  return `${domain}--${hash.digest('hex').slice(0, 16)}`;
}

export interface SpEntity {
  readonly entityId: string;
  /** Consumers, one per edge; the first is the default. */
  readonly consumers: readonly string[];
}

/** The metadata of some domains in one file; `certificate` is PEM and serves for signing and encryption. */
export function printSpMetadata(entities: readonly SpEntity[], certificate: string): string {
  const [only, ...others] = entities;
  if (only !== undefined && others.length === 0)
    return `${declaration}${printEntity(only, certificate, true)}\n`;
  const inside = entities.map((entity) => printEntity(entity, certificate, false)).join('');
  return `${declaration}<md:EntitiesDescriptor ${namespaces}>${inside}</md:EntitiesDescriptor>\n`;
}

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';
const namespaces = `xmlns:md="${METADATA}" xmlns:ds="${SIGNATURE}"`;

function printEntity({ entityId, consumers }: SpEntity, certificate: string, outermost: boolean): string {
  const base64 = new X509Certificate(certificate).raw.toString('base64');
  const key = (use: string): string =>
    `<md:KeyDescriptor use="${use}"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>${base64}` +
    `</ds:X509Certificate></ds:X509Data></ds:KeyInfo>${use === 'encryption' ? methods : ''}</md:KeyDescriptor>`;
  const services = consumers.map(
    (url, index) =>
      `<md:AssertionConsumerService Binding="${POST}" Location="${escape(url)}" index="${index}"` +
      `${index === 0 ? ' isDefault="true"' : ''}/>`,
  );
  return (
    `<md:EntityDescriptor ${outermost ? `${namespaces} ` : ''}entityID="${escape(entityId)}">` +
    `<md:SPSSODescriptor AuthnRequestsSigned="true" WantAssertionsSigned="true" protocolSupportEnumeration="${PROTOCOL}">` +
    `${key('signing')}${key('encryption')}` +
    '<md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:transient</md:NameIDFormat>' +
    `${services.join('')}</md:SPSSODescriptor></md:EntityDescriptor>`
  );
}

const methods = [
  'http://www.w3.org/2009/xmlenc11#aes256-gcm',
  'http://www.w3.org/2009/xmlenc11#aes128-gcm',
  'http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p',
]
  .map((name) => `<md:EncryptionMethod Algorithm="${name}"/>`)
  .join('');

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
