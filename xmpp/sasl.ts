// SASL (RFC 6120 §6) as a relay sees it: the exchange passes untouched, but the relay reads who is signing in, so that
// nobody signs in with one name to act as another (T-084), and keeps out what cannot hold across a relay.
// Trusts neither side. Never keeps, prints or logs a password, a proof or a token.
import { NS_SASL } from './namespaces.ts';

/** Mechanisms that may pass, best first. Not here: -PLUS, whose channel binding names a TLS connection that ends at edge. */
export const RELAYED_MECHANISMS: readonly string[] = [
  'SCRAM-SHA-512',
  'SCRAM-SHA-256',
  'SCRAM-SHA-1',
  'PLAIN',
  'CISCO-VTG-TOKEN',
];

/** Mechanisms whose message carries an access token: they pass only where core checks it first. X-OAUTH2 is older than the RFC. */
export const TOKEN_MECHANISMS: readonly string[] = ['OAUTHBEARER', 'X-OAUTH2'];

/** Failure conditions of RFC 6120 §6.5 that we say ourselves. */
export type SaslCondition =
  | 'not-authorized'
  | 'temporary-auth-failure'
  | 'invalid-mechanism'
  | 'invalid-authzid'
  | 'malformed-request'
  | 'incorrect-encoding';

export interface SaslRefusal {
  readonly condition: SaslCondition;
  /** For people; holds nothing from the wire. */
  readonly text: string;
}

/** Who signs in, as `user@domain` in lower case; or why not. */
export type SaslIdentity =
  | {
      /** Undefined: only the token says it. */
      readonly user: string | undefined;
      /** An access token that has to be checked before the message may pass. */
      readonly token?: string;
    }
  | SaslRefusal;

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const GS2_HEADER = /^([ny]|p=[^,]*),(?:a=([^,]*))?,(?:m=[^,]*,)?n=([^,]*),/;
/** RFC 7628 §3.1: GS2 header, then pairs of key and value, each closed by %x01, and one more %x01. */
const BEARER_MESSAGE = /^([ny]|p=[^,]*),(?:a=([^,]*))?,\x01((?:[A-Za-z]+=[^\x01]*\x01){1,16})\x01$/;
/** RFC 6750 §2.1. */
const BEARER = /^bearer +([A-Za-z0-9._~+/-]+=*)$/i;
const ONE_TIME_PASSWORD = /^userid=([^\0]+)\0token=([^\0]+)$/;
/** An access token in the place of a one-time password: a compact JWS. */
const COMPACT_JWS = /^[\w-]{16,}\.[\w-]{16,}\.[\w-]{16,}$/;
const MAX_NAME_LENGTH = 1023;

/** Why a mechanism cannot be used through the relay; undefined when it can. */
export function refuseMechanism(mechanism: string, areTokensChecked: boolean): SaslRefusal | undefined {
  if (RELAYED_MECHANISMS.includes(mechanism)) return undefined;
  if (areTokensChecked && TOKEN_MECHANISMS.includes(mechanism)) return undefined;
  if (mechanism.endsWith('-PLUS'))
    return refusal('invalid-mechanism', 'channel binding cannot hold here: use the mechanism without -PLUS');
  if (mechanism.includes('OAUTH'))
    return refusal('invalid-mechanism', 'sign-in by OAuth token is not available for messaging');
  return refusal('invalid-mechanism', 'this mechanism is not available here');
}

/** Bytes of a SASL message (RFC 6120 §6.4.2: base64, `=` for none); undefined when it is no base64. */
export function decodeSasl(text: string): Buffer | undefined {
  if (text === '=') return Buffer.alloc(0);
  return BASE64.test(text) ? Buffer.from(text, 'base64') : undefined;
}

/** Reads who signs in from the first message of a client that is not empty. */
export function saslIdentity(mechanism: string, message: Buffer, domain: string): SaslIdentity {
  const text = utf8(message);
  if (text === undefined) return refusal('malformed-request', 'the name is not UTF-8');
  if (mechanism === 'PLAIN') return plainIdentity(text, domain);
  if (mechanism.startsWith('SCRAM-')) return scramIdentity(text, domain);
  if (mechanism === 'OAUTHBEARER') return bearerIdentity(text, domain);
  if (mechanism === 'X-OAUTH2') return oauth2Identity(text, domain);
  const [, user, password = ''] = ONE_TIME_PASSWORD.exec(text) ?? [];
  if (user === undefined) return refusal('malformed-request', 'the token cannot be read');
  // COMPAT(IM and Presence): a one-time password of its SOAP service is its own to judge; an access token is core's too.
  return withToken(named(user, '', domain), COMPACT_JWS.test(password) ? password : undefined);
}

/** Why a token opens nothing, as OAUTHBEARER tells it before the failure (RFC 7628 §3.2.2). */
export function printBearerChallenge(status: 'invalid_token' | 'insufficient_scope'): string {
  const words = Buffer.from(JSON.stringify({ status, schemes: 'bearer' })).toString('base64');
  return `<challenge xmlns="${NS_SASL}">${words}</challenge>`;
}

/** RFC 7628 §3.1. Only `auth` is read: host and port say nothing that the stream does not. */
function bearerIdentity(text: string, domain: string): SaslIdentity {
  const [, binding = '', authorizeAs, pairs = ''] = BEARER_MESSAGE.exec(text) ?? [];
  if (binding === '') return refusal('malformed-request', 'the message is not that of OAUTHBEARER');
  if (binding.startsWith('p=')) return refusal('malformed-request', 'channel binding cannot hold here');
  const tokens = pairs.split('\x01').filter((pair) => /^auth=/i.test(pair));
  const token = BEARER.exec(tokens[0]?.slice('auth='.length) ?? '')?.[1];
  if (tokens.length !== 1 || token === undefined)
    return refusal('malformed-request', 'the message has no bearer token');
  if (authorizeAs === undefined || authorizeAs === '') return { user: undefined, token };
  return withToken(named(unescapeName(authorizeAs), '', domain), token);
}

/** `[authzid] NUL authcid NUL token`. */
function oauth2Identity(text: string, domain: string): SaslIdentity {
  const token = text.slice(text.lastIndexOf('\0') + 1);
  if (!BEARER.test(`bearer ${token}`)) return refusal('malformed-request', 'the token cannot be read');
  return withToken(plainIdentity(text, domain), token);
}

function withToken(identity: SaslIdentity, token: string | undefined): SaslIdentity {
  return 'condition' in identity || token === undefined ? identity : { ...identity, token };
}

/** `[authzid] NUL authcid NUL password` (RFC 4616 §2). */
function plainIdentity(text: string, domain: string): SaslIdentity {
  const [authorizeAs, name, password, ...more] = text.split('\0');
  if (authorizeAs === undefined || name === undefined || password === undefined || more.length > 0)
    return refusal('malformed-request', 'the message is not that of PLAIN');
  return named(name, authorizeAs, domain);
}

/** `gs2-header n=name,r=nonce` (RFC 5802 §7). */
function scramIdentity(text: string, domain: string): SaslIdentity {
  const [, binding, authorizeAs = '', name = ''] = GS2_HEADER.exec(text) ?? [];
  if (binding === undefined) return refusal('malformed-request', 'the message is not that of SCRAM');
  if (binding.startsWith('p=')) return refusal('malformed-request', 'channel binding cannot hold here');
  return named(unescapeName(name), unescapeName(authorizeAs), domain);
}

function named(name: string, authorizeAs: string, domain: string): SaslIdentity {
  const user = bareName(name, domain);
  if (user === undefined) return refusal('malformed-request', 'the name is not one of this domain');
  // RFC 6120 §6.3.8: acting as another is allowed to servers with a policy for it; here nobody may.
  if (authorizeAs !== '' && bareName(authorizeAs, domain) !== user)
    return refusal('invalid-authzid', 'the two names of this sign-in differ');
  return { user };
}

/** A name of this domain as `user@domain` in lower case; undefined when it is none. */
export function bareName(name: string, domain: string): string | undefined {
  const lower = name.toLowerCase();
  const local = lower.endsWith(`@${domain}`) ? lower.slice(0, -domain.length - 1) : lower;
  if (local === '' || local.length > MAX_NAME_LENGTH || /[@/\s]/.test(local)) return undefined;
  return `${local}@${domain}`;
}

function unescapeName(name: string): string {
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

function utf8(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** `<failure/>` with its condition and words. */
export function printSaslFailure({ condition, text }: SaslRefusal): string {
  return `<failure xmlns="${NS_SASL}"><${condition}/><text xml:lang="en">${text}</text></failure>`;
}

function refusal(condition: SaslCondition, text: string): SaslRefusal {
  return { condition, text };
}
