// Who stands at the other end of the SIP link. Node verified that the certificate chains to the zone's own authority
// (the only one given to it) for the right purpose; here the name is compared exactly and every failure put in words
// (T-143, T-144). One function decides, both ends call it before a byte of SIP is read.
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { certificateName } from '../zone-file.ts';

/** Words on the wire for a refusal: a closed set, telling the peer nothing it could not know. */
export type PeerRefusal =
  | 'certificate'
  | 'authority'
  | 'expired'
  | 'not-yet-valid'
  | 'purpose'
  | 'name'
  | 'resumed';

export type PeerCheck =
  | { readonly ok: true; readonly name: string }
  | {
      readonly ok: false;
      readonly refusal: PeerRefusal;
      readonly words: string;
      /** The name in the certificate that was not believed. */
      readonly claimed?: string | undefined;
    };

type Refused = Extract<PeerCheck, { ok: false }>;

const NOT_SIGNED = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
  'INVALID_CA',
]);

/** Judges the peer of a finished handshake. `wanted` are the names that may be there. */
export function checkPeer(socket: TLSSocket, wanted: readonly string[]): PeerCheck {
  if (socket.isSessionReused())
    return refused('resumed', 'peer resumed an old TLS session: only full handshakes count');
  const certificate = certificateOf(socket);
  if (!certificate) return refused('certificate', 'peer showed no certificate');
  const name = certificateName(certificate);
  if (!socket.authorized) {
    const check = untrusted(
      String(socket.authorizationError),
      certificate.validFromDate,
      certificate.validToDate,
    );
    return { ...check, claimed: name };
  }
  if (name !== undefined && wanted.includes(name)) return { ok: true, name };
  return refused(
    'name',
    `certificate name wrong: wanted ${wanted.join(' or ')}, peer has ${printable(name ?? certificate.subjectAltName)}`,
  );
}

/** Not getPeerX509Certificate: on the client side of Node 24 it finds the certificate only the first time it is called. */
function certificateOf(socket: TLSSocket): X509Certificate | undefined {
  const { raw } = socket.getPeerCertificate() as { raw?: Buffer };
  return raw && new X509Certificate(raw);
}

function untrusted(code: string, from: Date, to: Date): Refused {
  if (NOT_SIGNED.has(code))
    return refused('authority', "peer's certificate is not signed by this pair's authority");
  if (code === 'CERT_HAS_EXPIRED')
    return refused('expired', `peer's certificate expired on ${day(to)} (or this clock is wrong): renew it`);
  if (code === 'CERT_NOT_YET_VALID')
    return refused(
      'not-yet-valid',
      `peer's certificate is not valid before ${from.toISOString()} (clock differs?)`,
    );
  if (code === 'INVALID_PURPOSE')
    return refused(
      'purpose',
      "peer's certificate may not be used for both TLS server and client (extended key usage): issue it with viaduct pair",
    );
  return refused('certificate', `peer's certificate was not accepted (${code})`);
}

/** What a refusal sent by the other side means here. */
export const REFUSAL_WORDS: Record<PeerRefusal, string> = {
  certificate: 'it does not accept our certificate',
  authority: "our certificate is not signed by its pair's authority: were the two zone files made together?",
  expired: 'our certificate has expired (or its clock is wrong): renew it with viaduct renew',
  'not-yet-valid': 'our certificate is not valid yet by its clock: set both clocks by NTP',
  purpose: 'our certificate may not be used as TLS client (extended key usage)',
  name: 'its zone file does not list the name in our certificate',
  resumed: 'it wants a full TLS handshake',
};

export function isPeerRefusal(word: string): word is PeerRefusal {
  return Object.hasOwn(REFUSAL_WORDS, word);
}

function refused(refusal: PeerRefusal, words: string): Refused {
  return { ok: false, refusal, words };
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}

/** A name from a foreign certificate, fit for a log line. */
function printable(name: string | undefined): string {
  return name === undefined ? 'none' : JSON.stringify(name.slice(0, 253)).slice(1, -1);
}
