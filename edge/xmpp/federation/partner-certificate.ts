// Whose certificate a partner shows (T-086, XEP-0178, RFC 9525): chain to a trusted authority, then names. A partner that dials
// us is TLS client, yet public authorities sign certificates for servers only; OpenSSL refuses those for a client
// (`INVALID_PURPOSE`). Then, and only when that was its last objection, the chain is verified again by RFC 5280 without
// regard to the purpose "client". A certificate that is for neither role stays refused.
import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { getCACertificates } from 'node:tls';
import { certificateNames, type Covers, coversDomain } from '../../../xmpp/s2s/index.ts';

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const MAX_CHAIN = 8;

const covers =
  (certificate: X509Certificate): Covers =>
  (domain) =>
    coversDomain(certificateNames(certificate.raw), domain);

const coversNothing: Covers = () => false;

/** Judges the server that we have dialled. */
export function isServerOf(socket: TLSSocket, domain: string): boolean {
  const certificate = socket.getPeerX509Certificate();
  return socket.authorized && certificate !== undefined && covers(certificate)(domain);
}

/** Judges those who dial us. */
export class PartnerCertificates {
  readonly #anchors: () => readonly X509Certificate[];

  /** `authorities`: PEM texts; undefined stands for the system's. */
  constructor(authorities: string | undefined) {
    let read: readonly X509Certificate[] | undefined;
    this.#anchors = () => (read ??= readAll(authorities === undefined ? systemAuthorities() : [authorities]));
  }

  /** For which domains the peer's certificate speaks. */
  async judge(socket: TLSSocket, now: number): Promise<Covers> {
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return coversNothing;
    if (socket.authorized) return covers(certificate);
    // Node reports the last objection of OpenSSL; dates, signatures and name constraints come after the purpose.
    if (String(socket.authorizationError) !== 'INVALID_PURPOSE') return coversNothing;
    if (!certificate.keyUsage?.includes(SERVER_AUTH)) return coversNothing;
    const isGood = await this.#isChainGood(certificate, shownWith(certificate), now);
    return isGood ? covers(certificate) : coversNothing;
  }

  async #isChainGood(
    leaf: X509Certificate,
    shownAll: readonly X509Certificate[],
    now: number,
  ): Promise<boolean> {
    const issuers = new Set([leaf, ...shownAll].map(({ issuer }) => issuer));
    const anchors = this.#anchors().filter(({ subject }) => issuers.has(subject));
    if (anchors.length === 0) return false;
    const { Certificate, CertificateChainValidationEngine } = await import('pkijs');
    const parse = (one: X509Certificate) => Certificate.fromBER(one.raw);
    const isAnchor = (one: X509Certificate): boolean =>
      anchors.some(({ fingerprint256 }) => fingerprint256 === one.fingerprint256);
    const between = shownAll.filter((one) => one.fingerprint256 !== leaf.fingerprint256 && !isAnchor(one));
    const engine = new CertificateChainValidationEngine({
      trustedCerts: anchors.map(parse),
      certs: [...between, leaf].map(parse),
      checkDate: new Date(now),
    });
    return (await engine.verify()).result;
  }
}

/** What the peer sent with its certificate. Node hands it out once: a second `getPeerX509Certificate` comes without. */
function shownWith(leaf: X509Certificate): readonly X509Certificate[] {
  const found: X509Certificate[] = [];
  let next: X509Certificate | undefined = leaf.issuerCertificate;
  while (next !== undefined && found.length < MAX_CHAIN) {
    found.push(next);
    next = next.issuerCertificate;
  }
  return found;
}

function systemAuthorities(): readonly string[] {
  return getCACertificates('default');
}

const PEM = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

function readAll(texts: readonly string[]): readonly X509Certificate[] {
  return texts.flatMap((text) => text.match(PEM) ?? []).map((pem) => new X509Certificate(pem));
}
