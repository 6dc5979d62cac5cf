// The key and self-signed certificate by which identity providers know this service (the guide's "Generate Certificate").
// Identity providers pin the certificate through metadata and ask no authority, so that its subject says nothing.
import { webcrypto } from 'node:crypto';

export interface SigningCertificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

const algorithm = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  publicExponent: Uint8Array.of(1, 0, 1),
};

/** An RSA key with its certificate, good from `fromMs` until `untilMs`. */
export async function createSigningCertificate(
  commonName: string,
  { fromMs, untilMs, bits }: { readonly fromMs: number; readonly untilMs: number; readonly bits: number },
): Promise<SigningCertificate> {
  // Loaded on use: making a certificate is seldom, starting a process is not.
  const [asn1, pki] = await Promise.all([import('asn1js'), import('pkijs')]);
  const { subtle } = webcrypto;
  pki.setEngine('node', new pki.CryptoEngine({ name: 'node', crypto: webcrypto, subtle }));
  const keys = await subtle.generateKey({ ...algorithm, modulusLength: bits }, true, ['sign', 'verify']);
  const certificate = new pki.Certificate({ version: 2 });
  const serial = webcrypto.getRandomValues(new Uint8Array(16));
  // Positive and without a leading zero octet.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  certificate.serialNumber = new asn1.Integer({ valueHex: serial.buffer });
  for (const name of [certificate.subject, certificate.issuer]) {
    const value = new asn1.Utf8String({ value: commonName });
    name.typesAndValues.push(new pki.AttributeTypeAndValue({ type: '2.5.4.3', value }));
  }
  certificate.notBefore.value = new Date(fromMs);
  certificate.notAfter.value = new Date(untilMs);
  await certificate.subjectPublicKeyInfo.importKey(keys.publicKey);
  await certificate.sign(keys.privateKey, 'SHA-256');
  return {
    certificate: pem('CERTIFICATE', certificate.toSchema(true).toBER()),
    key: pem('PRIVATE KEY', await subtle.exportKey('pkcs8', keys.privateKey)),
  };
}

function pem(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
