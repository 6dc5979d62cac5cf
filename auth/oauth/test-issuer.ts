// A cluster that issues self-describing tokens, made with `jose`, which shares no code with what reads them here. Not
// part of the product.
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { CompactEncrypt, CompactSign } from 'jose';

export interface TestIssuer {
  readonly clusterId: string;
  readonly signingKid: string;
  readonly encryptionKid: string;
  readonly signingKey: KeyObject;
  readonly secret: Buffer;
  /** The JWK set. */
  readonly document: string;
}

export function createTestIssuer(clusterId: string = randomUUID()): TestIssuer {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const secret = randomBytes(32);
  const kid = (bytes: Buffer): string => `${clusterId}:${createHash('sha256').update(bytes).digest('hex')}`;
  const signingKid = kid(publicKey.export({ type: 'spki', format: 'der' }));
  const encryptionKid = kid(secret);
  const document = JSON.stringify({
    keys: [
      { ...publicKey.export({ format: 'jwk' }), use: 'sig', kid: signingKid },
      { kty: 'oct', use: 'enc', kid: encryptionKid, k: secret.toString('base64url') },
    ],
  });
  return { clusterId, signingKid, encryptionKid, signingKey: privateKey, secret, document };
}

/** Claims of a good token; `seconds` is the time now. */
export function goodClaims(issuer: TestIssuer, seconds: number): Record<string, unknown> {
  return {
    iss: issuer.clusterId,
    sub: 'alice',
    exp: seconds + 3600,
    iat: seconds,
    ctyp: 'access',
    tid: randomUUID(),
    ccid: `C${'ab'.repeat(32)}`,
    scopes: 'UnifiedCommunications:readwrite',
  };
}

export interface TokenChanges {
  readonly claims?: Record<string, unknown>;
  readonly jwsHeader?: Record<string, unknown>;
  readonly jweHeader?: Record<string, unknown>;
  /** Whose secret encrypts; default: the issuer's own. */
  readonly encryptor?: TestIssuer;
}

export async function issueToken(
  issuer: TestIssuer,
  seconds: number,
  changes: TokenChanges = {},
): Promise<string> {
  const encryptor = changes.encryptor ?? issuer;
  const claims = { ...goodClaims(issuer, seconds), ...changes.claims };
  const inner = await new CompactEncrypt(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({
      alg: 'dir',
      cty: 'JWT',
      enc: 'A128CBC-HS256',
      kid: encryptor.encryptionKid,
      ...changes.jweHeader,
    })
    .encrypt(encryptor.secret);
  return signPayload(issuer, JSON.stringify({ private: inner }), changes.jwsHeader);
}

export async function signPayload(
  issuer: TestIssuer,
  payload: string,
  header: Record<string, unknown> = {},
): Promise<string> {
  return new CompactSign(Buffer.from(payload))
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: issuer.signingKid, ...header })
    .sign(issuer.signingKey);
}
