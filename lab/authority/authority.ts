// The lab's own certificate authority: makes, in memory and for a day, the certificates that a real enterprise
// would buy or issue (RFC 5280). It has nothing to do with the private authority of the pair. The key never
// leaves this process and dies with it.
import { webcrypto } from 'node:crypto';
import { BitString, Integer, OctetString, Utf8String } from 'asn1js';
import {
  AltName,
  AttributeTypeAndValue,
  BasicConstraints,
  Certificate,
  CryptoEngine,
  ExtKeyUsage,
  Extension,
  GeneralName,
  setEngine,
} from 'pkijs';

export interface IssuedCertificate {
  /** PEM. */
  readonly chain: string;
  /** PEM, PKCS #8. */
  readonly key: string;
}

export interface LabAuthority {
  /** PEM of the root: what a client of the lab trusts. */
  readonly certificate: string;
  /** A server certificate for these DNS names and IPv4 addresses; the first is also the common name. */
  issue(names: readonly string[]): Promise<IssuedCertificate>;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
const oid = {
  commonName: '2.5.4.3',
  basicConstraints: '2.5.29.19',
  keyUsage: '2.5.29.15',
  extendedKeyUsage: '2.5.29.37',
  subjectAltName: '2.5.29.17',
  serverAuth: '1.3.6.1.5.5.7.3.1',
};
/** GeneralName choices of RFC 5280 §4.2.1.6. */
const dnsName = 2;
const ipAddress = 7;
/** Certificates begin an hour ago, so that a clock a little behind does not refuse them. */
const leewayMs = 3_600_000;
const lifetimeMs = 86_400_000;

/** Makes a fresh authority, good for a day from `nowMs`. */
export async function createLabAuthority(name: string, nowMs: number): Promise<LabAuthority> {
  const { subtle } = webcrypto;
  setEngine('node', new CryptoEngine({ name: 'node', crypto: webcrypto, subtle }));
  const rootKeys = await newKeys();
  const root = await newCertificate(name, name, rootKeys.publicKey, nowMs);
  root.extensions = [
    extension(oid.basicConstraints, true, new BasicConstraints({ cA: true }).toSchema().toBER()),
    // keyCertSign and cRLSign.
    extension(oid.keyUsage, true, new BitString({ valueHex: Uint8Array.of(0x06).buffer }).toBER()),
  ];
  await root.sign(rootKeys.privateKey, 'SHA-256');
  return {
    certificate: pem('CERTIFICATE', root.toSchema(true).toBER()),
    issue: async (names) => {
      const keys = await newKeys();
      const leaf = await newCertificate(names[0] ?? '', name, keys.publicKey, nowMs);
      leaf.extensions = leafExtensions(names);
      await leaf.sign(rootKeys.privateKey, 'SHA-256');
      const privateKey = await subtle.exportKey('pkcs8', keys.privateKey);
      return { chain: pem('CERTIFICATE', leaf.toSchema(true).toBER()), key: pem('PRIVATE KEY', privateKey) };
    },
  };
}

async function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function newCertificate(
  subject: string,
  issuer: string,
  publicKey: webcrypto.CryptoKey,
  nowMs: number,
): Promise<Certificate> {
  const certificate = new Certificate({ version: 2 });
  const serial = webcrypto.getRandomValues(new Uint8Array(16));
  // Positive and without a leading zero octet.
  serial[0] = (serial[0]! & 0x3f) | 0x40;
  certificate.serialNumber = new Integer({ valueHex: serial.buffer });
  certificate.subject.typesAndValues.push(commonName(subject));
  certificate.issuer.typesAndValues.push(commonName(issuer));
  certificate.notBefore.value = new Date(nowMs - leewayMs);
  certificate.notAfter.value = new Date(nowMs + lifetimeMs);
  await certificate.subjectPublicKeyInfo.importKey(publicKey);
  return certificate;
}

function commonName(text: string): AttributeTypeAndValue {
  return new AttributeTypeAndValue({ type: oid.commonName, value: new Utf8String({ value: text }) });
}

function leafExtensions(names: readonly string[]): Extension[] {
  const usage = new ExtKeyUsage({ keyPurposes: [oid.serverAuth] });
  const altNames = new AltName({ altNames: names.map(generalName) });
  return [
    extension(oid.basicConstraints, true, new BasicConstraints({ cA: false }).toSchema().toBER()),
    extension(oid.extendedKeyUsage, false, usage.toSchema().toBER()),
    extension(oid.subjectAltName, false, altNames.toSchema().toBER()),
  ];
}

function generalName(name: string): GeneralName {
  if (!/^\d+(\.\d+){3}$/.test(name)) return new GeneralName({ type: dnsName, value: name });
  const octets = Uint8Array.from(name.split('.').map(Number));
  return new GeneralName({ type: ipAddress, value: new OctetString({ valueHex: octets.buffer }) });
}

function extension(extnID: string, critical: boolean, extnValue: ArrayBuffer): Extension {
  return new Extension({ extnID, critical, extnValue });
}

function pem(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
