// What a client's header fields may say to the inside (mra-wire §1.7, RFC 7239, RFC 9110 §7.6.3): nothing about who it
// is, where it comes from or what was asked, in any spelling. Then come ours: TrackingID, X-Forwarded-For, Via.
import { type HeaderList, HttpError, plainName } from '../../http/index.ts';
import { CLIENT_CERT } from './client-certificate.ts';

/** Fields that software further in may believe; compared in the spelling of `plainName`. */
const FORBIDDEN: ReadonlySet<string> = new Set([
  'forwarded',
  'via',
  'trackingid',
  'tracking-id',
  'client-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'fastly-client-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-real-ip',
  'x-host',
  'x-remote-addr',
  'x-remote-ip',
  'x-original-host',
  'x-original-url',
  'x-rewrite-url',
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'remote-user',
  'x-remote-user',
  'x-authenticated-user',
  'front-end-https',
]);
const FORBIDDEN_PREFIX = /^(x-)?(forwarded-|client-cert|envoy-|ssl-|viaduct-|arr-)/;
/** Twice any of these is once for us and once for someone else. */
const AT_MOST_ONE = ['authorization', 'cookie', 'content-type'] as const;
/** Names seen lately and whether they go; full, it stops learning. */
const MAX_KNOWN_NAMES = 1024;
const knownNames = new Map<string, boolean>();

/** Who asks, as this door knows it. */
export interface Provenance {
  readonly trackingId: string;
  readonly clientAddress: string;
  readonly edgeName: string;
  /** Its proven certificate as a Client-Cert field's value. */
  readonly clientCertificate: string | undefined;
}

/** Strips the client's claims, adds ours; returns the client's own TrackingID for the log. Throws HttpError 400. */
export function applyHygiene(headers: HeaderList, provenance: Provenance): string | undefined {
  const clientTrackingId = headers.get('trackingid');
  headers.removeWhere(isForbidden);
  for (const name of AT_MOST_ONE) {
    if (headers.all(name).length > 1) throw new HttpError(400, 'header-name', `more than one ${name}`);
  }
  if (provenance.clientCertificate !== undefined) headers.append(CLIENT_CERT, provenance.clientCertificate);
  headers.append('TrackingID', provenance.trackingId);
  headers.append('X-Forwarded-For', provenance.clientAddress);
  headers.append('Via', `https/1.1 viaduct[${provenance.edgeName}]`);
  return clientTrackingId;
}

function isForbidden(lowerName: string): boolean {
  const known = knownNames.get(lowerName);
  if (known !== undefined) return known;
  const plain = plainName(lowerName);
  const verdict = FORBIDDEN.has(plain) || FORBIDDEN_PREFIX.test(plain);
  if (knownNames.size < MAX_KNOWN_NAMES) knownNames.set(lowerName, verdict);
  return verdict;
}
