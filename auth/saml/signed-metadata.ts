// Metadata whose publisher signs it (saml-metadata §3): checked against one pinned certificate before it is read, so that
// whoever holds the web server that publishes it cannot put in keys of his own. Only the signed bytes go on.
import { isSigned, printable } from './response-form.ts';
import { maxMetadataLength } from './idp-metadata.ts';
import { SamlFault } from './saml-fault.ts';
import { METADATA } from './names.ts';
import { parseTree } from './xml-tree.ts';

/** The bytes of `xml` that `certificate` (PEM) signed. @throws SamlFault `metadata`. */
export async function openSignedMetadata(xml: string, certificate: string): Promise<string> {
  const root = parseTree(xml, {
    maxLength: maxMetadataLength,
    maxDepth: 32,
    maxElements: 100_000,
    comments: true,
  });
  const name = root.name;
  if (root.namespace !== METADATA || !isSigned(root, false))
    throw new SamlFault('metadata', 'the metadata is not signed, and a signer is pinned');
  const { SignedXml } = await import('xml-crypto');
  const text = xml.replaceAll(/\r\n?/g, '\n');
  const signatures = text.match(/<((?:[\w.-]+:)?)Signature[\s>][^]*?<\/\1Signature\s*>/g) ?? [];
  // The root's own signature is its first child that is one; one of an entity inside says nothing of the whole.
  const signature = signatures.find((part) => part.includes(`"#${root.attributes.get('ID')}"`));
  try {
    if (signature === undefined) throw new Error(`no signature over ${name}`);
    const verifier = new SignedXml({ publicCert: certificate });
    verifier.loadSignature(signature);
    if (!verifier.checkSignature(text)) throw new Error('the signature is not good');
    const [signed, ...others] = verifier.getSignedReferences();
    if (signed === undefined || others.length > 0) throw new Error('it does not sign one thing');
    return signed;
  } catch (error) {
    const cause = printable(error instanceof Error ? error.message : String(error));
    throw new SamlFault('metadata', `the metadata was not signed by the pinned signer: ${cause}`, {
      cause: error,
    });
  }
}
