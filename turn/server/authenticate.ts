// The long-term credential mechanism at the server (RFC 8489 §9.2.4). Keeps nothing and creates nothing: before the
// integrity check has passed no state of ours knows of the request (T-008, T-015). Comparison is constant-time; an
// unknown user costs the same work as a wrong password.
import { createSecretKey, type KeyObject } from 'node:crypto';
import { ATTRIBUTE, type StunAttribute } from '../stun-attribute.ts';
import { checkIntegrity, longTermKey, type IntegrityAlgorithm } from '../stun-integrity.ts';
import { findAttribute, type StunMessage } from '../stun.ts';
import { readText, textAttribute } from '../turn-values.ts';
import type { Credential, CredentialRefusal, CredentialSource, Owner } from './credentials.ts';
import type { NonceIssuer } from './nonce.ts';
import { refuse, type TurnRefusal } from './turn-answer.ts';

/** What seals the answer: the request's own algorithm and key. */
export interface Seal {
  readonly algorithm: IntegrityAlgorithm;
  readonly key: KeyObject;
}

/** Proof of who asks. */
export interface Authentic {
  readonly kind: 'authentic';
  readonly username: string;
  readonly owner: Owner;
  readonly seal: Seal;
  /** Of an access token. */
  readonly token: HeldToken | undefined;
}

/** An allocation's own credential: it stays good for the allocation's life, after it has expired for new ones. */
export interface HeldCredential {
  readonly username: string;
  readonly password: string;
  readonly owner: Owner;
  /** Of an access token, which is over when it is over. */
  readonly token?: HeldToken | undefined;
}

interface HeldToken {
  readonly key: KeyObject;
  readonly goodUntil: number;
}

export interface AuthenticateOptions {
  readonly realm: string;
  readonly nonces: NonceIssuer;
  readonly credentials: CredentialSource;
}

type PasswordAlgorithm = 'md5' | 'sha256';
type Candidate = Credential | HeldCredential;

/** PASSWORD-ALGORITHMS: SHA-256 (2) preferred, MD5 (1), no parameters (§14.11, §18.5.1). */
const PASSWORD_ALGORITHMS = Buffer.from([0, 2, 0, 0, 0, 1, 0, 0]);
const ALGORITHM_NUMBER = new Map<number, PasswordAlgorithm>([
  [1, 'md5'],
  [2, 'sha256'],
]);
/** §14.3 and §14.9: USERNAME below 509 bytes, REALM below 763. */
const MAX_USERNAME_BYTES = 508;
const MAX_REALM_BYTES = 762;
const NOBODY: Credential = { username: '', password: '', owner: { user: '', deployment: '' } };

/** REALM, NONCE and PASSWORD-ALGORITHMS, with which a client can try (again). */
export function challengeAttributes(
  options: AuthenticateOptions,
  address: string,
  now: number,
): StunAttribute[] {
  const { tokenServerName } = options.credentials;
  return [
    textAttribute(ATTRIBUTE.realm, options.realm),
    textAttribute(ATTRIBUTE.nonce, options.nonces.issue(address, now)),
    { type: ATTRIBUTE.passwordAlgorithms, value: PASSWORD_ALGORITHMS },
    ...(tokenServerName === undefined
      ? []
      : [textAttribute(ATTRIBUTE.thirdPartyAuthorization, tokenServerName)]),
  ];
}

/**
 * Authenticates a request from the IP `address`. `held` is the credential of the allocation that the request's
 * 5-tuple has, if any. Throws only StunError, for values that are not what their type says.
 */
export function authenticate(
  message: StunMessage,
  address: string,
  now: number,
  options: AuthenticateOptions,
  held: HeldCredential | undefined,
): (Authentic & { readonly password: string }) | TurnRefusal {
  const challenge = (code: 401 | 438, reason: TurnRefusal['reason']): TurnRefusal =>
    refuse(code, reason, challengeAttributes(options, address, now));
  // Step 1: no integrity, no credentials: 401 with a challenge.
  const integrity = integrityOf(message);
  if (integrity === undefined) return challenge(401, 'no-integrity');
  // Step 2: integrity without the names that belong to it: 400.
  const realm = findAttribute(message, ATTRIBUTE.realm);
  const nonce = findAttribute(message, ATTRIBUTE.nonce);
  const username = findAttribute(message, ATTRIBUTE.username);
  const userhash = findAttribute(message, ATTRIBUTE.userhash);
  if (!realm || !nonce || (!username && !userhash)) return refuse(400, 'incomplete-credentials');
  // Step 3: the nonce. Before the rest because it is cheap and a replayed message dies here.
  if (!options.nonces.isFresh(nonce, address, now)) return challenge(438, 'stale-nonce');
  if (readText(realm, MAX_REALM_BYTES) !== options.realm) return challenge(401, 'wrong-realm');
  // Step 4: the password algorithm, and that nobody took a better one out of our challenge on the way.
  const passwordAlgorithm = passwordAlgorithmOf(message);
  if (passwordAlgorithm === undefined) return refuse(400, 'password-algorithm');
  // Step 5: the credential, then the seal.
  const accessToken = findAttribute(message, ATTRIBUTE.accessToken);
  if (accessToken && !username) return refuse(400, 'incomplete-credentials');
  const name = username && readText(username, MAX_USERNAME_BYTES);
  const found =
    name === undefined
      ? options.credentials.findByHash(userhash!)
      : accessToken
        ? options.credentials.findByToken(name, accessToken)
        : findByName(name, options.credentials, held, now);
  const candidates: readonly Candidate[] = typeof found === 'string' ? [NOBODY] : found;
  for (const candidate of candidates) {
    const { username: of, password, owner } = candidate;
    const key = keyOf(candidate, options.realm, passwordAlgorithm);
    const valid = checkIntegrity(message, integrity, key) === 'valid';
    if (valid && typeof found !== 'string') {
      const token = heldToken(candidate, now);
      return { kind: 'authentic', username: of, owner, password, token, seal: { algorithm: integrity, key } };
    }
  }
  return challenge(401, typeof found === 'string' ? found : 'bad-integrity');
}

function findByName(
  username: string,
  credentials: CredentialSource,
  held: HeldCredential | undefined,
  now: number,
): readonly Candidate[] | CredentialRefusal {
  if (held?.username !== username) return credentials.find(username);
  return held.token !== undefined && held.token.goodUntil <= now ? 'expired' : [held];
}

function heldToken({ token }: Candidate, now: number): HeldToken | undefined {
  if (token === undefined) return undefined;
  return 'goodUntil' in token ? token : { key: token.key, goodUntil: now + token.leftMs };
}

/** Keys of credentials that are still in use: a user's, an allocation's. Gone with the credential. */
const KEYS = new WeakMap<Candidate, Map<string, KeyObject>>();

function keyOf(credential: Candidate, realm: string, algorithm: PasswordAlgorithm): KeyObject {
  if (credential.token !== undefined) return credential.token.key;
  const keys = KEYS.get(credential) ?? new Map<string, KeyObject>();
  KEYS.set(credential, keys);
  const name = `${algorithm} ${realm}`;
  const known = keys.get(name);
  if (known !== undefined) return known;
  const key = createSecretKey(longTermKey(credential.username, realm, credential.password, algorithm));
  keys.set(name, key);
  return key;
}

/** The stronger of the two seals when both are there (§9.2.4). */
function integrityOf(message: StunMessage): IntegrityAlgorithm | undefined {
  if (findAttribute(message, ATTRIBUTE.messageIntegritySha256)) return 'sha256';
  return findAttribute(message, ATTRIBUTE.messageIntegrity) ? 'sha1' : undefined;
}

/** MD5 when the client named none; undefined when what it named is not what we offered. */
function passwordAlgorithmOf(message: StunMessage): PasswordAlgorithm | undefined {
  const chosen = findAttribute(message, ATTRIBUTE.passwordAlgorithm);
  const offered = findAttribute(message, ATTRIBUTE.passwordAlgorithms);
  if (!chosen && !offered) return 'md5';
  if (!chosen || !offered || !offered.equals(PASSWORD_ALGORITHMS)) return undefined;
  return chosen.length === 4 && chosen.readUInt16BE(2) === 0
    ? ALGORITHM_NUMBER.get(chosen.readUInt16BE(0))
    : undefined;
}
