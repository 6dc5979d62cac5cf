// X.509 certificates of a pair (RFC 5280): the private authority and one identity per peer, ECDSA P-256. pkijs is
// loaded on first use because only `viaduct pair` and renewal need it.
// Trusts: its caller for names; they were checked against the zone-file schema.
import { X509Certificate, createHash, createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import type { Certificate, Extension } from 'pkijs';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const DAY_MS = 86_400_000;
/** Certificates begin an hour early so that a peer whose clock is behind can use a fresh one. */
const BACKDATE_MS = 3_600_000;

const OID = {
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
};

/** A certificate and its private key, both PEM (the key as PKCS #8). */
export interface CertifiedKey {
  readonly certificate: string;
  readonly key: string;
}

/** When a certificate is valid: from an hour before `from` (wall-clock milliseconds) for `days` days. */
export interface Validity {
  readonly from: number;
  readonly days: number;
}

/** Creates the private authority of a pair: self-signed, may sign leaves only (pathLen 0). */
export async function createAuthority(commonName: string, validity: Validity): Promise<CertifiedKey> {
  const { pkijs } = await toolkit();
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await blankCertificate(commonName, commonName, keys.publicKey, validity);
  certificate.extensions = [
    extension(
      pkijs,
      OID.basicConstraints,
      true,
      new pkijs.BasicConstraints({ cA: true, pathLenConstraint: 0 }).toSchema(),
    ),
    await keyUsage(0b0000_0110),
    ...(await keyIdentifiers(keys.publicKey, keys.publicKey)),
  ];
  await certificate.sign(keys.privateKey, 'SHA-256');
  return {
    certificate: toPem('CERTIFICATE', certificate.toSchema(true).toBER(false)),
    key: await privatePem(keys.privateKey),
  };
}

/** RFC 5280 §4.2.1.12: every peer is TLS server to some and client to others. */
const BOTH_ROLES = [OID.serverAuth, OID.clientAuth] as const;

/** Issues one peer's identity: CN and SAN are its name, usable as TLS server and client unless `purposes` says else. */
export async function issueIdentity(
  authority: CertifiedKey,
  name: string,
  validity: Validity,
  purposes: readonly string[] = BOTH_ROLES,
): Promise<CertifiedKey> {
  const { pkijs, asn1js } = await toolkit();
  const issuer = new X509Certificate(authority.certificate);
  const issuerKey = await importKey(authority.key);
  const issuerPublic = await webcrypto.subtle.importKey(
    'spki',
    issuer.publicKey.export({ type: 'spki', format: 'der' }),
    ALGORITHM,
    true,
    ['verify'],
  );
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const certificate = await blankCertificate(commonNameOf(issuer), name, keys.publicKey, validity);
  const names = new pkijs.GeneralNames({ names: [new pkijs.GeneralName({ type: 2, value: name })] });
  const usage = new pkijs.ExtKeyUsage({ keyPurposes: [...purposes] });
  certificate.extensions = [
    extension(pkijs, OID.basicConstraints, true, new asn1js.Sequence()),
    await keyUsage(0b1000_0000),
    extension(pkijs, OID.extendedKeyUsage, false, usage.toSchema()),
    extension(pkijs, OID.subjectAltName, false, names.toSchema()),
    ...(await keyIdentifiers(keys.publicKey, issuerPublic)),
  ];
  await certificate.sign(issuerKey, 'SHA-256');
  return {
    certificate: toPem('CERTIFICATE', certificate.toSchema(true).toBER(false)),
    key: await privatePem(keys.privateKey),
  };
}

async function toolkit() {
  const [pkijs, asn1js] = await Promise.all([import('pkijs'), import('asn1js')]);
  pkijs.setEngine('node', new pkijs.CryptoEngine({ name: 'node', crypto: webcrypto }));
  return { pkijs, asn1js };
}

type Toolkit = Awaited<ReturnType<typeof toolkit>>;

async function blankCertificate(
  issuer: string,
  subject: string,
  publicKey: webcrypto.CryptoKey,
  validity: Validity,
): Promise<Certificate> {
  const { pkijs, asn1js } = await toolkit();
  const certificate = new pkijs.Certificate();
  certificate.version = 2; // v3
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive and of full length: RFC 5280 §4.1.2.2
  certificate.serialNumber = new asn1js.Integer({
    valueHex: serial.buffer.slice(serial.byteOffset, serial.byteOffset + 16),
  });
  certificate.notBefore.value = new Date(validity.from - BACKDATE_MS);
  certificate.notAfter.value = new Date(validity.from + validity.days * DAY_MS);
  const name = (value: string) =>
    new pkijs.AttributeTypeAndValue({ type: OID.commonName, value: new asn1js.Utf8String({ value }) });
  certificate.issuer.typesAndValues.push(name(issuer.slice(0, 64)));
  certificate.subject.typesAndValues.push(name(subject.slice(0, 64)));
  await certificate.subjectPublicKeyInfo.importKey(publicKey);
  return certificate;
}

function extension(
  pkijs: Toolkit['pkijs'],
  extnID: string,
  critical: boolean,
  value: { toBER(sizeOnly: boolean): ArrayBuffer },
): Extension {
  return new pkijs.Extension({ extnID, critical, extnValue: value.toBER(false) });
}

async function keyUsage(bits: number): Promise<Extension> {
  const { pkijs, asn1js } = await toolkit();
  const unusedBits = bits & 0b0111_1111 ? 1 : 7;
  const value = new asn1js.BitString({ valueHex: Uint8Array.of(bits).buffer, unusedBits });
  return extension(pkijs, OID.keyUsage, true, value);
}

async function keyIdentifiers(
  subject: webcrypto.CryptoKey,
  issuer: webcrypto.CryptoKey,
): Promise<Extension[]> {
  const { pkijs, asn1js } = await toolkit();
  const authority = new pkijs.AuthorityKeyIdentifier({
    keyIdentifier: new asn1js.OctetString({ valueHex: await keyIdentifier(issuer) }),
  });
  const own = new asn1js.OctetString({ valueHex: await keyIdentifier(subject) });
  return [
    extension(pkijs, OID.subjectKeyIdentifier, false, own),
    extension(pkijs, OID.authorityKeyIdentifier, false, authority.toSchema()),
  ];
}

/** RFC 7093 §2 method 1: the leftmost 160 bits of the SHA-256 of the public key. */
async function keyIdentifier(key: webcrypto.CryptoKey): Promise<ArrayBuffer> {
  const point = Buffer.from(await webcrypto.subtle.exportKey('raw', key));
  const digest = createHash('sha256').update(point).digest();
  return Uint8Array.from(digest.subarray(0, 20)).buffer;
}

function commonNameOf(certificate: X509Certificate): string {
  return /(?:^|\n)CN=([^\n]*)/.exec(certificate.subject)?.[1] ?? '';
}

async function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, ALGORITHM, false, ['sign']);
}

async function privatePem(key: webcrypto.CryptoKey): Promise<string> {
  return toPem('PRIVATE KEY', await webcrypto.subtle.exportKey('pkcs8', key));
}

function toPem(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
