// Which domains a certificate speaks for between XMPP servers (RFC 6120 §13.7.1.2, RFC 9525, XEP-0178): dNSName with a whole
// left-most label as wildcard, SRV-ID `_xmpp-server.domain` (RFC 4985), XmppAddr. The common name counts for nothing.
// Says what the certificate claims, never whether its issuer is trusted.
import * as asn1 from 'asn1js';
import { canonicalDomain } from './domain.ts';

/** Names of a certificate, in lower case. */
export interface CertificateNames {
  readonly dns: readonly string[];
  readonly srv: readonly string[];
  readonly xmppAddr: readonly string[];
}

const OID_SUBJECT_ALT_NAME = '2.5.29.17';
/** id-on-xmppAddr (RFC 6120 §13.7.1.4), id-on-dnsSRV (RFC 4985 §2). */
const OID_XMPP_ADDR = '1.3.6.1.5.5.7.8.5';
const OID_DNS_SRV = '1.3.6.1.5.5.7.8.7';
const SRV_PREFIX = '_xmpp-server.';
const TAG_OTHER_NAME = 0;
const TAG_DNS_NAME = 2;
const TAG_EXTENSIONS = 3;
const MAX_NAMES = 1_000;

const NO_NAMES: CertificateNames = { dns: [], srv: [], xmppAddr: [] };

/** Reads the names of a DER certificate; none when it cannot be read. */
export function certificateNames(der: Uint8Array): CertificateNames {
  const { result, offset } = asn1.fromBER(der);
  if (offset === -1) return NO_NAMES;
  const extension = extensionsOf(result).find((one) => oidOf(childrenOf(one)[0]) === OID_SUBJECT_ALT_NAME);
  const wrapped = childrenOf(extension).at(-1);
  if (!(wrapped instanceof asn1.OctetString)) return NO_NAMES;
  const list = asn1.fromBER(wrapped.valueBlock.valueHexView);
  if (list.offset === -1) return NO_NAMES;
  return namesIn(childrenOf(list.result).slice(0, MAX_NAMES));
}

/** True when one of the names stands for the domain, which is in canonical form. */
export function coversDomain(names: CertificateNames, domain: string): boolean {
  return (
    names.xmppAddr.includes(domain) ||
    names.srv.includes(SRV_PREFIX + domain) ||
    names.dns.some((name) => name === domain || wildcardCovers(name, domain))
  );
}

/** RFC 9525 §6.3: `*` is the whole left-most label and stands for exactly one; what follows has two labels at least. */
function wildcardCovers(name: string, domain: string): boolean {
  if (!name.startsWith('*.')) return false;
  const parent = name.slice(2);
  const dot = domain.indexOf('.');
  return canonicalDomain(parent) === parent && domain.slice(dot + 1) === parent;
}

function namesIn(entries: readonly asn1.BaseBlock[]): CertificateNames {
  const names: { dns: string[]; srv: string[]; xmppAddr: string[] } = { dns: [], srv: [], xmppAddr: [] };
  for (const entry of entries) {
    if (entry.idBlock.tagNumber === TAG_DNS_NAME && entry instanceof asn1.Primitive)
      names.dns.push(ascii(entry.valueBlock.valueHexView));
    if (entry.idBlock.tagNumber !== TAG_OTHER_NAME) continue;
    const [type, value] = childrenOf(entry);
    const text = textOf(childrenOf(value)[0]);
    if (text === undefined) continue;
    if (oidOf(type) === OID_DNS_SRV) names.srv.push(text);
    if (oidOf(type) === OID_XMPP_ADDR) names.xmppAddr.push(text);
  }
  return names;
}

/** tbsCertificate.extensions, tagged [3]; empty in a certificate that has none. */
function extensionsOf(certificate: asn1.BaseBlock): readonly asn1.BaseBlock[] {
  const tagged = childrenOf(childrenOf(certificate)[0]).find(
    ({ idBlock }) => idBlock.tagClass === 3 && idBlock.tagNumber === TAG_EXTENSIONS,
  );
  return childrenOf(childrenOf(tagged)[0]);
}

function childrenOf(block: asn1.BaseBlock | undefined): readonly asn1.BaseBlock[] {
  return block instanceof asn1.Constructed || block instanceof asn1.Sequence ? block.valueBlock.value : [];
}

function oidOf(block: asn1.BaseBlock | undefined): string | undefined {
  return block instanceof asn1.ObjectIdentifier ? block.valueBlock.toString() : undefined;
}

function textOf(block: asn1.BaseBlock | undefined): string | undefined {
  if (block instanceof asn1.Utf8String || block instanceof asn1.IA5String)
    return block.valueBlock.value.toLowerCase();
  return undefined;
}

function ascii(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1').toLowerCase();
}
