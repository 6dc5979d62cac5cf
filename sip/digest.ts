// Digest authentication, RFC 3261 §22 with RFC 8760 (SHA-256, SHA-512/256) and RFC 2617 MD5. For the lab's registrar
// and user agents only: edge and core pass a registrar's challenge through and never answer one (attacks T-056).
// qop `auth` or none; `auth-int` is not offered and not answered.

import { hash, timingSafeEqual } from 'node:crypto';
import { parseAuthHeader, printAuthHeader } from './auth-header.ts';
import { quote } from './characters.ts';
import { hasParam, paramValue } from './params.ts';
import type { Param } from './params.ts';

export type DigestAlgorithm = 'MD5' | 'SHA-256' | 'SHA-512-256';

const HASHES: Readonly<Record<DigestAlgorithm, string>> = {
  MD5: 'md5',
  'SHA-256': 'sha256',
  'SHA-512-256': 'sha512-256',
};

/** What goes into a digest. Without `qop` it is the RFC 2069 form. */
export interface DigestInput {
  readonly algorithm: DigestAlgorithm;
  readonly username: string;
  readonly realm: string;
  readonly password: string;
  readonly method: string;
  readonly uri: string;
  readonly nonce: string;
  readonly qop?: 'auth';
  readonly nc?: string;
  readonly cnonce?: string;
}

/** The `response` value, lower-case hex. */
export function digestResponse(input: DigestInput): string {
  const digest = (text: string): string => hash(HASHES[input.algorithm], text);
  const ha1 = digest(`${input.username}:${input.realm}:${input.password}`);
  const ha2 = digest(`${input.method}:${input.uri}`);
  if (input.qop === undefined) return digest(`${ha1}:${input.nonce}:${ha2}`);
  return digest(`${ha1}:${input.nonce}:${input.nc ?? ''}:${input.cnonce ?? ''}:${input.qop}:${ha2}`);
}

/** A challenge value for WWW-Authenticate or Proxy-Authenticate. */
export function createChallenge(
  realm: string,
  nonce: string,
  algorithm: DigestAlgorithm,
  isStale = false,
): string {
  const params: Param[] = [
    { name: 'realm', value: quote(realm) },
    { name: 'nonce', value: quote(nonce) },
    { name: 'algorithm', value: algorithm },
    { name: 'qop', value: '"auth"' },
  ];
  if (isStale) params.push({ name: 'stale', value: 'true' });
  return printAuthHeader('Digest', params);
}

/** Who answers a challenge, and for which request. `nc` counts uses of this nonce from 1. */
export interface ChallengeAnswer {
  readonly username: string;
  readonly password: string;
  readonly method: string;
  readonly uri: string;
  readonly cnonce: string;
  readonly nc: number;
}

/**
 * Credentials for a challenge value; undefined when it is not Digest, has an algorithm we do not know or offers only
 * auth-int. Throws SipParseError when malformed.
 */
export function answerChallenge(challenge: string, answer: ChallengeAnswer): string | undefined {
  const { scheme, params } = parseAuthHeader(challenge);
  const algorithm = algorithmOf(params);
  const qops = paramValue(params, 'qop')?.split(/[ ,]+/);
  if (scheme !== 'digest' || algorithm === undefined) return undefined;
  if (qops !== undefined && !qops.includes('auth')) return undefined;
  const realm = paramValue(params, 'realm') ?? '';
  const nonce = paramValue(params, 'nonce') ?? '';
  const nc = answer.nc.toString(16).padStart(8, '0');
  const { username, password, method, uri, cnonce } = answer;
  const withQop = qops === undefined ? {} : { qop: 'auth' as const, nc, cnonce };
  const response = digestResponse({ algorithm, username, realm, password, method, uri, nonce, ...withQop });
  const printed: Param[] = [
    { name: 'username', value: quote(username) },
    { name: 'realm', value: quote(realm) },
    { name: 'nonce', value: quote(nonce) },
    { name: 'uri', value: quote(uri) },
    { name: 'response', value: quote(response) },
    { name: 'algorithm', value: algorithm },
  ];
  if (qops !== undefined) {
    printed.push(
      { name: 'qop', value: 'auth' },
      { name: 'nc', value: nc },
      { name: 'cnonce', value: quote(cnonce) },
    );
  }
  if (hasParam(params, 'opaque'))
    printed.push({ name: 'opaque', value: quote(paramValue(params, 'opaque') ?? '') });
  return printAuthHeader('Digest', printed);
}

/** What a checker expects of credentials. */
export interface CredentialCheck {
  readonly realm: string;
  readonly password: string;
  readonly method: string;
  readonly algorithm: DigestAlgorithm;
  /** Whether the nonce is one of ours and still good, and `nc` was not used with it; called after the hash matched. */
  readonly isFreshNonce: (nonce: string, nc: string | undefined) => boolean;
}

/** `stale`: right password, old nonce: challenge again with stale=true. */
export type CredentialVerdict = 'ok' | 'stale' | 'wrong';

/** The user name credentials claim, undefined when they are no Digest. Throws SipParseError when malformed. */
export function credentialsUser(credentials: string): string | undefined {
  const { scheme, params } = parseAuthHeader(credentials);
  return scheme === 'digest' ? paramValue(params, 'username') : undefined;
}

/** Checks an Authorization value. Throws SipParseError when malformed. */
export function checkCredentials(credentials: string, check: CredentialCheck): CredentialVerdict {
  const { scheme, params } = parseAuthHeader(credentials);
  const get = (name: string): string => paramValue(params, name) ?? '';
  const isOurs =
    scheme === 'digest' && get('realm') === check.realm && algorithmOf(params) === check.algorithm;
  if (!isOurs || (hasParam(params, 'qop') && get('qop') !== 'auth')) return 'wrong';
  const withQop = hasParam(params, 'qop')
    ? { qop: 'auth' as const, nc: get('nc'), cnonce: get('cnonce') }
    : {};
  const wanted = digestResponse({
    algorithm: check.algorithm,
    username: get('username'),
    realm: check.realm,
    password: check.password,
    method: check.method,
    uri: get('uri'),
    nonce: get('nonce'),
    ...withQop,
  });
  if (!isEqual(wanted, get('response').toLowerCase())) return 'wrong';
  return check.isFreshNonce(get('nonce'), paramValue(params, 'nc')) ? 'ok' : 'stale';
}

// RFC 8760 §2.3: no algorithm parameter means MD5.
function algorithmOf(params: readonly Param[]): DigestAlgorithm | undefined {
  const name = (paramValue(params, 'algorithm') ?? 'MD5').toUpperCase();
  return name === 'MD5' || name === 'SHA-256' || name === 'SHA-512-256' ? name : undefined;
}

function isEqual(a: string, b: string): boolean {
  const left = Buffer.from(a, 'latin1');
  const right = Buffer.from(b, 'latin1');
  return left.length === right.length && timingSafeEqual(left, right);
}
