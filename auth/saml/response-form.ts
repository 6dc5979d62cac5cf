// The form of a Response before any key is used (saml-profiles §4.1.4.2, saml-core §5.4). One shape is taken: a Response
// with exactly one assertion as its direct child, signatures only where they belong, each over its own parent, with
// allowed algorithms. What moves, wraps or repeats an assertion (XSW, T-120, T-121) has another shape. Nothing read here
// is believed: the identity comes from the signed bytes alone (assertion.ts).
import {
  ASSERTION,
  CBC,
  ENCRYPTION,
  ENVELOPED,
  EXCLUSIVE,
  GCM,
  isDigestAllowed,
  isSignatureAllowed,
  KEY_TRANSPORT,
  PROTOCOL,
  SIGNATURE,
} from './names.ts';
import { SamlFault } from './saml-fault.ts';
import { childOf, childrenOf, is, parseTree, walk, type XmlNode } from './xml-tree.ts';

/** What a Response claims to be. */
export interface ResponseForm {
  readonly issuer: string | undefined;
  readonly destination: string | undefined;
  readonly inResponseTo: string | undefined;
  /** Outermost status code, then the one inside and the message, for the operator. */
  readonly status: string;
  readonly statusDetail: string;
  readonly responseSigned: boolean;
  readonly assertionSigned: boolean;
  /** The assertion is encrypted. */
  readonly encrypted: boolean;
  /** … with a cipher that does not notice changes. */
  readonly unauthenticatedCipher: boolean;
}

/** Longest message, in characters of XML; a POST body is a third longer. */
export const maxResponseLength = 192 * 1024;
const limits = { maxLength: maxResponseLength, maxDepth: 32, maxElements: 2000, comments: false };

/** The form of `xml`. @throws SamlFault `form` or `algorithm`. */
export function readResponseForm(xml: string, allowSha1: boolean): ResponseForm {
  const root = parseTree(xml, limits);
  if (!is(root, PROTOCOL, 'Response')) throw form(`it is no Response but ${root.name}`);
  if (root.attributes.get('Version') !== '2.0') throw form('its Version is not 2.0');
  const plain = childrenOf(root, ASSERTION, 'Assertion');
  const encrypted = childrenOf(root, ASSERTION, 'EncryptedAssertion');
  const status = readStatus(root);
  if (plain.length + encrypted.length > 1) throw form('it has more than one assertion');
  checkPlaces(root, plain[0]);
  checkIds(root);
  const ciphers = [...encrypted].map(readCipher);
  return {
    issuer: childOf(root, ASSERTION, 'Issuer')?.text.trim(),
    destination: root.attributes.get('Destination'),
    inResponseTo: root.attributes.get('InResponseTo'),
    ...status,
    responseSigned: isSigned(root, allowSha1),
    assertionSigned: plain.some((assertion) => isSigned(assertion, allowSha1)),
    encrypted: encrypted.length > 0,
    unauthenticatedCipher: ciphers.some((cipher) => CBC.has(cipher)),
  };
}

/** The form of an assertion that came encrypted. @throws SamlFault. */
export function checkAssertionForm(xml: string, allowSha1: boolean): { readonly signed: boolean } {
  const root = parseTree(xml, limits);
  if (!is(root, ASSERTION, 'Assertion')) throw form('what was encrypted is no Assertion');
  checkPlaces(root, root);
  checkIds(root);
  return { signed: isSigned(root, allowSha1) };
}

/** Assertions and signatures stand where the profile puts them and nowhere else. */
function checkPlaces(root: XmlNode, assertion: XmlNode | undefined): void {
  for (const { node, parent } of walk(root)) {
    const isAssertion = node.name === 'Assertion' || node.name === 'EncryptedAssertion';
    if (isAssertion && node !== root && parent !== root)
      throw form('an assertion stands inside something else');
    if (isAssertion && node.namespace !== ASSERTION) throw form('an assertion is in a foreign namespace');
    if (node.name === 'Response' && node !== root) throw form('a Response stands inside something else');
    if (node.name === 'Signature' && parent !== root && parent !== assertion)
      throw form('a signature stands where none belongs');
    if (node.name === 'Object' && node.namespace === SIGNATURE) throw form('a signature carries an object');
  }
}

/** Every identifier once: a reference must not be able to mean two elements. */
function checkIds(root: XmlNode): void {
  const seen = new Set<string>();
  for (const { node } of walk(root)) {
    for (const id of node.ids) {
      if (seen.has(id)) throw form('an ID occurs twice');
      seen.add(id);
    }
  }
  if (!/^[A-Za-z_][\w.-]{0,255}$/.test(root.attributes.get('ID') ?? ''))
    throw form(`${root.name} has no usable ID`);
}

/** True when `node` carries a signature of allowed form over itself; false without one. @throws SamlFault. */
export function isSigned(node: XmlNode, allowSha1: boolean): boolean {
  const signatures = node.children.filter(({ name }) => name === 'Signature');
  const [signature] = signatures;
  if (signature === undefined) return false;
  if (signatures.length > 1 || signature.namespace !== SIGNATURE)
    throw form(`${node.name} has an odd signature`);
  const info = only(signature, 'SignedInfo');
  only(signature, 'SignatureValue');
  const canonical = only(info, 'CanonicalizationMethod').attributes.get('Algorithm');
  if (canonical !== EXCLUSIVE) throw algorithm('canonicalisation', canonical);
  const method = only(info, 'SignatureMethod').attributes.get('Algorithm');
  if (!isSignatureAllowed(method, allowSha1)) throw algorithm('signature', method);
  const reference = only(info, 'Reference');
  if (reference.attributes.get('URI') !== `#${node.attributes.get('ID')}`)
    throw form(`the signature of ${node.name} is over something else`);
  checkTransforms(reference);
  const digest = only(reference, 'DigestMethod').attributes.get('Algorithm');
  if (!isDigestAllowed(digest, allowSha1)) throw algorithm('digest', digest);
  only(reference, 'DigestValue');
  return true;
}

function checkTransforms(reference: XmlNode): void {
  const transforms = only(reference, 'Transforms').children.map(({ attributes }) =>
    attributes.get('Algorithm'),
  );
  const [first, second] = transforms;
  if (transforms.length !== 2 || first !== ENVELOPED || second !== EXCLUSIVE)
    throw algorithm('transforms', transforms.join(' '));
}

/** The cipher of an encrypted assertion. @throws SamlFault for one that is not allowed, or a key that is elsewhere. */
function readCipher(encrypted: XmlNode): string {
  const data = childOf(encrypted, ENCRYPTION, 'EncryptedData');
  if (data === undefined) throw form('an encrypted assertion has no data');
  const nodes = [...walk(encrypted)].map(({ node }) => node);
  const keys = nodes.filter((node) => is(node, ENCRYPTION, 'EncryptedKey'));
  if (keys.length !== 1) throw form('an encrypted assertion has not exactly one key');
  if (nodes.some((node) => is(node, ENCRYPTION, 'CipherReference'))) throw form('a cipher text is elsewhere');
  const transport = keys[0] && childOf(keys[0], ENCRYPTION, 'EncryptionMethod')?.attributes.get('Algorithm');
  if (transport !== KEY_TRANSPORT) throw algorithm('key transport', transport);
  const cipher = childOf(data, ENCRYPTION, 'EncryptionMethod')?.attributes.get('Algorithm') ?? '';
  if (!GCM.has(cipher) && !CBC.has(cipher)) throw algorithm('cipher', cipher);
  return cipher;
}

function readStatus(root: XmlNode): { status: string; statusDetail: string } {
  const status = childOf(root, PROTOCOL, 'Status');
  const code = status && childOf(status, PROTOCOL, 'StatusCode');
  if (status === undefined || code === undefined) throw form('it has no status');
  const inner = childOf(code, PROTOCOL, 'StatusCode')?.attributes.get('Value') ?? '';
  const message = childOf(status, PROTOCOL, 'StatusMessage')?.text ?? '';
  return {
    status: code.attributes.get('Value') ?? '',
    statusDetail: printable([inner, message].filter((text) => text !== '').join(', ')),
  };
}

function only(node: XmlNode, name: string): XmlNode {
  const found = childrenOf(node, SIGNATURE, name);
  const [first] = found;
  if (first === undefined || found.length > 1) throw form(`a signature has not exactly one ${name}`);
  return first;
}

/** What a stranger wrote, fit for a log. */
export function printable(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]+/g, ' ').slice(0, 200);
}

function form(text: string): SamlFault {
  return new SamlFault('form', `Invalid SAML Response: ${text}`);
}

function algorithm(what: string, name: string | undefined): SamlFault {
  return new SamlFault(
    'algorithm',
    `Invalid SAML Response: ${what} ${printable(name ?? 'missing')} is not allowed`,
  );
}
