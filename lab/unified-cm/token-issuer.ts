// The tokens of the embedded cluster: self-describing access tokens (an RS256 JWS round an encrypted JWE) and refresh
// tokens, in the form Unified CM 11.5(1)SU3 and later gives them (mra-wire §2.2). Made with jose, so that issuing shares
// no code with the reading in core.
import { createHash, generateKeyPair, type KeyObject, randomBytes, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { CompactEncrypt, CompactSign } from 'jose';

const accessSeconds = 3600;
const refreshSeconds = 60 * 86_400;
const codeMs = 60_000;
/** Codes, access and refresh tokens remembered each; the lab has two users. */
const maxKept = 1000;

export interface TokenPair {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly expiresIn: number;
}

interface Grant {
  readonly user: string;
  readonly clientId: string;
  readonly until: number;
}

export class TokenIssuer {
  readonly clusterId = randomUUID();
  readonly #signingKey: KeyObject;
  readonly #publicKey: KeyObject;
  readonly #secret = randomBytes(32);
  readonly #now: () => number;
  readonly #codes = new Map<string, Grant>();
  readonly #refresh = new Map<string, Grant>();
  readonly #access = new Map<string, Grant>();

  constructor(keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }, now: () => number) {
    this.#signingKey = keys.privateKey;
    this.#publicKey = keys.publicKey;
    this.#now = now;
  }

  /** The keys as a JWK set, for a core that may read them. */
  keyDocument(): string {
    return JSON.stringify({
      keys: [
        { ...this.#publicKey.export({ format: 'jwk' }), use: 'sig', kid: this.#signingKid() },
        { kty: 'oct', use: 'enc', kid: this.#encryptionKid(), k: this.#secret.toString('base64url') },
      ],
    });
  }

  /** A one-use code for a user who has proven a password. */
  code(user: string, clientId: string): string {
    const code = randomBytes(24).toString('base64url');
    keep(this.#codes, code, { user, clientId, until: this.#now() + codeMs });
    return code;
  }

  /** Redeems a code once. */
  async redeem(code: string): Promise<TokenPair | undefined> {
    const grant = this.#codes.get(code);
    this.#codes.delete(code);
    if (grant === undefined || grant.until < this.#now()) return undefined;
    const refreshToken = await this.#refreshToken(grant);
    keep(this.#refresh, refreshToken, { ...grant, until: this.#now() + refreshSeconds * 1000 });
    return { ...(await this.#accessToken(grant)), refreshToken };
  }

  /** A new access token for a refresh token that has not been revoked. */
  async renew(refreshToken: string): Promise<TokenPair | undefined> {
    const grant = this.#refresh.get(refreshToken);
    if (grant === undefined || grant.until < this.#now()) return undefined;
    return { ...(await this.#accessToken(grant)), refreshToken };
  }

  /** Whose access token this is; undefined when it is none of ours or past its end. */
  userOf(accessToken: string): string | undefined {
    const grant = this.#access.get(accessToken);
    return grant === undefined || grant.until < this.#now() ? undefined : grant.user;
  }

  revoke(user: string): void {
    for (const kept of [this.#refresh, this.#access]) {
      for (const [token, grant] of kept) if (grant.user === user) kept.delete(token);
    }
  }

  async #accessToken({ user, clientId }: Grant): Promise<{ accessToken: string; expiresIn: number }> {
    const now = Math.floor(this.#now() / 1000);
    const claims = {
      iss: this.clusterId,
      sub: user,
      iat: now,
      exp: now + accessSeconds,
      ctyp: 'access',
      tid: randomUUID(),
      ccid: clientId,
      scopes: 'UnifiedCommunications:readwrite',
    };
    const inner = await new CompactEncrypt(Buffer.from(JSON.stringify(claims)))
      .setProtectedHeader({ alg: 'dir', cty: 'JWT', enc: 'A128CBC-HS256', kid: this.#encryptionKid() })
      .encrypt(this.#secret);
    const accessToken = await this.#sign({ private: inner });
    keep(this.#access, accessToken, { user, clientId, until: (now + accessSeconds) * 1000 });
    return { accessToken, expiresIn: accessSeconds };
  }

  #refreshToken({ clientId }: Grant): Promise<string> {
    const exp = Math.floor(this.#now() / 1000) + refreshSeconds;
    return this.#sign({
      exp,
      iss: this.clusterId,
      typ: 'user',
      tid: randomUUID(),
      ctyp: 'refresh',
      ccid: clientId,
    });
  }

  #sign(payload: object): Promise<string> {
    return new CompactSign(Buffer.from(JSON.stringify(payload)))
      .setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid: this.#signingKid() })
      .sign(this.#signingKey);
  }

  #signingKid(): string {
    return `${this.clusterId}:${digest(this.#publicKey.export({ type: 'spki', format: 'der' }))}`;
  }

  #encryptionKid(): string {
    return `${this.clusterId}:${digest(this.#secret)}`;
  }
}

/** An issuer with keys of its own, as a new cluster has. */
export async function createTokenIssuer(now: () => number): Promise<TokenIssuer> {
  return new TokenIssuer(await promisify(generateKeyPair)('rsa', { modulusLength: 2048 }), now);
}

function keep(kept: Map<string, Grant>, key: string, grant: Grant): void {
  kept.set(key, grant);
  const oldest = kept.size > maxKept ? kept.keys().next().value : undefined;
  if (oldest !== undefined) kept.delete(oldest);
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
