// Digest authentication, the answering side (RFC 3261 §22.2, RFC 2617): what a phone sends when a registrar asks.
// Written apart from the registrar's own check, so that the two agree by the RFC and not by sharing a line.
import { createHash } from 'node:crypto';
import { paramValue, parseAuthHeader } from '../../sip/index.ts';

export interface DigestCredentials {
  readonly user: string;
  readonly password: string;
}

export interface DigestQuestion {
  /** Value of WWW-Authenticate or Proxy-Authenticate. */
  readonly challenge: string;
  readonly method: string;
  readonly uri: string;
  readonly cnonce: string;
}

/** Value of the Authorization header; undefined when the challenge is not a Digest with MD5 and qop=auth. Throws SipParseError. */
export function answerDigest(question: DigestQuestion, credentials: DigestCredentials): string | undefined {
  const { challenge, method, uri, cnonce } = question;
  const { scheme, params } = parseAuthHeader(challenge);
  const read = (name: string): string | undefined => paramValue(params, name);
  const [realm, nonce] = [read('realm'), read('nonce')];
  const offered = (read('qop') ?? '').split(',').map((one) => one.trim());
  const algorithm = read('algorithm') ?? 'MD5';
  if (scheme !== 'digest' || realm === undefined || nonce === undefined) return undefined;
  if (!offered.includes('auth') || algorithm.toUpperCase() !== 'MD5') return undefined;
  const first = md5(`${credentials.user}:${realm}:${credentials.password}`);
  const second = md5(`${method}:${uri}`);
  const response = md5([first, nonce, '00000001', cnonce, 'auth', second].join(':'));
  return (
    `Digest username="${credentials.user}", realm="${realm}", nonce="${nonce}", uri="${uri}", ` +
    `response="${response}", algorithm=MD5, cnonce="${cnonce}", qop=auth, nc=00000001`
  );
}

function md5(text: string): string {
  return createHash('md5').update(text, 'latin1').digest('hex');
}
