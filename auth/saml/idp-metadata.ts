// Metadata of an identity provider (saml-metadata §2): its entity id, where requests go, which certificates sign. Imported
// from a file or a URL; the author is trusted to name his own keys, not to be well-formed: size, age, key strength and
// addresses are checked before anything is taken into use.
import { createHash, X509Certificate } from 'node:crypto';
import { instant } from './assertion.ts';
import { METADATA, PROTOCOL, REDIRECT, SIGNATURE } from './names.ts';
import { printable } from './response-form.ts';
import { SamlFault } from './saml-fault.ts';
import { childOf, childrenOf, is, parseTree, walk, type XmlNode } from './xml-tree.ts';

export interface SigningCertificate {
  readonly pem: string;
  readonly subject: string;
  /** First 16 hex digits of the SHA-256 of the DER. */
  readonly fingerprint: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface IdpMetadata {
  readonly entityId: string;
  /** Where the browser is sent, HTTP-Redirect binding. */
  readonly signOnUrl: string;
  readonly certificates: readonly SigningCertificate[];
  readonly validUntil: number | undefined;
}

/** Largest metadata: an aggregate of some hundred entities. */
export const maxMetadataLength = 2 * 1024 * 1024;
const limits = { maxLength: maxMetadataLength, maxDepth: 32, maxElements: 100_000, comments: true };
const maxCertificates = 16;
const leastRsaBits = 2048;

/** Reads metadata; `entityId` picks one entity out of several. @throws SamlFault `metadata` with the cause in words. */
export function readIdpMetadata(xml: string, entityId: string | undefined, now: number): IdpMetadata {
  const root = parse(xml);
  const entity = pickEntity(root, entityId);
  const name = entity.attributes.get('entityID') ?? '';
  if (name === '' || name.length > 1024 || printable(name) !== name) throw fault('it has no usable entityID');
  const role = childOf(entity, METADATA, 'IDPSSODescriptor');
  if (role === undefined) throw fault(`${name} is no identity provider`);
  if (!(role.attributes.get('protocolSupportEnumeration') ?? '').split(/\s+/).includes(PROTOCOL))
    throw fault(`${name} does not speak SAML 2.0`);
  const ends = [root, entity, role].map((node) => readEnd(node)).filter((end) => end !== undefined);
  const validUntil = ends.length === 0 ? undefined : Math.min(...ends);
  if (validUntil !== undefined && now >= validUntil)
    throw fault(`it was good until ${new Date(validUntil).toISOString()}: import the newest`);
  return {
    entityId: name,
    signOnUrl: readSignOn(role, name),
    certificates: readCertificates(role, name),
    validUntil,
  };
}

function parse(xml: string): XmlNode {
  try {
    return parseTree(xml.replace(/^\uFEFF/, ''), limits);
  } catch (error) {
    if (error instanceof SamlFault) throw fault(error.message);
    throw error;
  }
}

function pickEntity(root: XmlNode, entityId: string | undefined): XmlNode {
  const entities = [...walk(root)]
    .map(({ node }) => node)
    .filter((node) => is(node, METADATA, 'EntityDescriptor'));
  const fitting = entities.filter((entity) =>
    entityId === undefined
      ? childrenOf(entity, METADATA, 'IDPSSODescriptor').length > 0
      : entity.attributes.get('entityID') === entityId,
  );
  const [entity] = fitting;
  if (entity === undefined)
    throw fault(entityId === undefined ? 'it names no identity provider' : `it does not name ${entityId}`);
  if (fitting.length > 1) throw fault('it names several identity providers: say which with entity-id');
  return entity;
}

function readEnd(node: XmlNode): number | undefined {
  const text = node.attributes.get('validUntil');
  const end = instant(text);
  if (text !== undefined && end === undefined) throw fault('its validUntil cannot be read');
  return end;
}

function readSignOn(role: XmlNode, name: string): string {
  const services = childrenOf(role, METADATA, 'SingleSignOnService');
  const service = services.find(({ attributes }) => attributes.get('Binding') === REDIRECT);
  const location = service?.attributes.get('Location') ?? '';
  if (service === undefined) throw fault(`${name} takes no requests by HTTP-Redirect`);
  const url = URL.canParse(location) ? new URL(location) : undefined;
  if (url === undefined || url.protocol !== 'https:' || url.username !== '' || url.hash !== '')
    throw fault(`the address for requests, ${printable(location)}, is no https URL`);
  return url.href;
}

function readCertificates(role: XmlNode, name: string): SigningCertificate[] {
  const found = new Map<string, SigningCertificate>();
  for (const key of childrenOf(role, METADATA, 'KeyDescriptor')) {
    const use = key.attributes.get('use');
    if (use !== undefined && use !== 'signing') continue;
    for (const { node } of walk(key)) {
      if (!is(node, SIGNATURE, 'X509Certificate')) continue;
      const certificate = readCertificate(node.text, name);
      found.set(certificate.fingerprint, certificate);
    }
  }
  if (found.size === 0) throw fault(`${name} has no signing certificate`);
  if (found.size > maxCertificates)
    throw fault(`${name} has more than ${maxCertificates} signing certificates`);
  return [...found.values()];
}

function readCertificate(base64: string, name: string): SigningCertificate {
  const der = Buffer.from(base64.replaceAll(/\s+/g, ''), 'base64');
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(der);
  } catch (cause) {
    throw fault(`a signing certificate of ${name} cannot be read`, cause);
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = certificate.publicKey;
  if (type !== 'rsa' || (details?.modulusLength ?? 0) < leastRsaBits)
    throw fault(`a signing certificate of ${name} has no RSA key of ${leastRsaBits} bits or more`);
  return {
    pem: certificate.toString(),
    subject: printable(certificate.subject.replaceAll('\n', ', ')),
    fingerprint: createHash('sha256').update(certificate.raw).digest('hex').slice(0, 16),
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
  };
}

function fault(text: string, cause?: unknown): SamlFault {
  return new SamlFault('metadata', `the metadata cannot be used: ${text}`, { cause });
}
