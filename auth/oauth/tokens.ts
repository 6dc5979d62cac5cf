// Self-describing access tokens, verified here and nowhere at edge: RS256 signature of a known cluster key → decryption
// with that cluster's key → every claim → deployment → service → revocation. Doors of all planes ask the same question.
// A repeated token costs one hash; a new one about 40 µs; an unknown key id one fetch for all who bring it.
import type { Revocations } from '../revocation.ts';
import { deny, type Deny } from '../verdict.ts';
import { maxTokenLength, openJwe, openJws, parseObject } from './compact-jose.ts';
import { clusterIdOf } from './key-document.ts';
import type { KeyRing, RingKey } from './key-ring.ts';
import { createTokenCache } from './token-cache.ts';
import { readClaims, type TokenClaims } from './token-claims.ts';

/** A door that takes tokens; the access policy may open some and not others. */
export type TokenService = 'https' | 'sip' | 'xmpp';

export interface TokensOptions {
  readonly ring: KeyRing;
  readonly revocations: Revocations;
  /** Scopes that open a service, one of them is enough. An empty list asks for none. */
  readonly scopes: Readonly<Record<TokenService, readonly string[]>>;
  /** Longest life of an access token that the clusters issue. */
  readonly lifetimeMs: number;
  readonly skewMs: number;
  readonly maxTokens: number;
  /** Wall clock. */
  readonly now: () => number;
  readonly count: (event: string, reason?: string) => void;
}

/** Whose token it is. */
export interface TokenAccount extends TokenClaims {
  readonly outcome: 'token';
  /** Configured name of the cluster that issued it. */
  readonly cluster: string;
  readonly deployment: string;
}

export type TokenResult = TokenAccount | Deny;

export interface Tokens {
  /** `deployment` undefined: any, for a door where the token alone says it. A promise only when something must be asked. */
  check(
    deployment: string | undefined,
    token: string,
    service: TokenService,
  ): TokenResult | Promise<TokenResult>;
  /** Fetches the keys of every cluster, so that the first token need not wait. */
  refreshKeys(): Promise<void>;
  status(): { readonly tokens: number; readonly clusters: ReturnType<KeyRing['status']> };
}

interface Known {
  readonly account: TokenAccount;
  /** Of the key that signed. */
  readonly kid: string;
}

interface OpenedToken extends Known {
  readonly outcome: 'opened';
}

export function createTokens(options: TokensOptions): Tokens {
  const { ring, count } = options;
  const cache = createTokenCache<Known>(options.maxTokens, count);

  const look = (token: string): TokenResult | 'key-unknown' => {
    const key = cache.key(token);
    const known = cache.get(key);
    if (known !== undefined) {
      const good = options.now() < known.account.expiresAt + options.skewMs;
      if (good && ring.find('sig', known.kid) !== undefined) return known.account;
      cache.delete(key);
    }
    const opened = open(token, options);
    if (opened === 'key-unknown' || opened.outcome === 'deny') return opened;
    cache.set(key, opened);
    return opened.account;
  };

  const unknownKey = (): Deny =>
    deny(401, 'token-key-unknown', 'no cluster here has the key that signed the token');

  return {
    check(deployment, token, service) {
      if (token.length > maxTokenLength) return deny(401, 'token-malformed', 'the token is too long');
      const finish = (result: TokenResult): TokenResult | Promise<TokenResult> =>
        result.outcome === 'deny' ? result : admit(options, deployment, service, result);
      const found = look(token);
      if (found !== 'key-unknown') return finish(found);
      return ring.refresh().then((changed) => {
        const again = changed ? look(token) : 'key-unknown';
        return finish(again === 'key-unknown' ? unknownKey() : again);
      });
    },
    async refreshKeys() {
      await ring.refresh();
    },
    status: () => ({ tokens: cache.size, clusters: ring.status() }),
  };
}

/** Signature, decryption, claims: what is true of a token whoever brings it. */
function open(token: string, options: TokensOptions): OpenedToken | Deny | 'key-unknown' {
  const { ring } = options;
  let signer: RingKey | undefined;
  const outer = openJws(token, (kid) => (signer = ring.find('sig', kid))?.key);
  if ('fault' in outer)
    return outer.fault === 'key-unknown' ? 'key-unknown' : refuseForm(outer.fault, 'signature');
  const wrapped = parseObject(outer.payload)?.['private'];
  if (signer === undefined || typeof wrapped !== 'string')
    return deny(401, 'token-malformed', 'it is no access token: there is nothing private in it');
  const { clusterId, cluster, deployment } = signer;
  // The key that opens must be of the cluster that signed, or one cluster could speak for another.
  const inner = openJwe(wrapped, (kid) =>
    clusterIdOf(kid) === clusterId ? ring.find('enc', kid)?.key : undefined,
  );
  if ('fault' in inner)
    return inner.fault === 'key-unknown' ? 'key-unknown' : refuseForm(inner.fault, 'encryption');
  const claims = parseObject(inner.payload);
  if (claims === undefined) return deny(401, 'token-malformed', 'its claims are no JSON object');
  const { lifetimeMs, skewMs } = options;
  const read = readClaims(claims, { clusterId, lifetimeMs, skewMs, now: options.now() });
  if (!('claim' in read)) {
    const account: TokenAccount = { outcome: 'token', ...read, cluster, deployment };
    return { outcome: 'opened', account, kid: outer.kid };
  }
  return read.expired
    ? deny(401, 'token-expired', 'the access token is past its end')
    : deny(401, 'token-invalid', `claim ${read.claim} is not as it must be; are the clocks right?`);
}

function refuseForm(fault: string, part: string): Deny {
  if (fault === 'signature')
    return deny(401, 'token-invalid', `its ${part} was not made with the cluster's key`);
  return deny(401, 'token-malformed', `its ${part} is not in the form of Unified CM's tokens (${fault})`);
}

/** Deployment, service and revocation: what depends on the door and the moment. */
function admit(
  options: TokensOptions,
  deployment: string | undefined,
  service: TokenService,
  account: TokenAccount,
): TokenResult | Promise<TokenResult> {
  if (deployment !== undefined && account.deployment !== deployment)
    return deny(401, 'token-deployment', 'the token is of another deployment');
  const wanted = options.scopes[service];
  if (wanted.length > 0 && !wanted.some((scope) => account.scopes.includes(scope)))
    return deny(
      403,
      'token-scope',
      `its access policy does not open ${service}; that takes ${wanted.join(' or ')}`,
    );
  const judge = (revoked: boolean): TokenResult =>
    revoked ? deny(401, 'token-revoked', "the user's tokens have been revoked") : account;
  const failed = (error: unknown): Deny =>
    deny(503, 'store-unavailable', `the store of revocations failed: ${String(error)}`, 1);
  try {
    const revoked = options.revocations.isRevoked(account.user, account.issuedAt);
    return typeof revoked === 'boolean' ? judge(revoked) : revoked.then(judge, failed);
  } catch (error) {
    return failed(error);
  }
}
