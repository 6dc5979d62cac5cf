// What a self-describing access token says once it has been opened, checked claim by claim. COMPAT(Unified CM 11.5-15):
// the names are those seen in tokens (iss, sub, exp, ccid, ctyp, tid, scopes); values no public page gives are held to
// their form only, and a refresh token is never taken for an access token.
import { foldUser, isUserId } from '../user-id.ts';

export interface TokenClaims {
  /** Folded. */
  readonly user: string;
  /** Wall-clock milliseconds. */
  readonly expiresAt: number;
  /** When it was issued, or the earliest it can have been. */
  readonly issuedAt: number;
  readonly scopes: readonly string[];
  readonly tokenId: string;
  readonly clientId: string;
}

export interface ClaimRules {
  /** The cluster id that the signing key belongs to. */
  readonly clusterId: string;
  /** Longest life of an access token: tells the earliest time of issue where the token does not. */
  readonly lifetimeMs: number;
  readonly skewMs: number;
  readonly now: number;
}

/** A claim that is missing, of the wrong type or out of its range: its name. */
export interface ClaimFault {
  readonly claim: string;
  /** All is well but the time. */
  readonly expired: boolean;
}

const idForm = /^[A-Za-z0-9._:-]{1,128}$/;
const maxScopes = 64;

/** The claims, or the first that is not as it must be. */
export function readClaims(
  claims: Readonly<Record<string, unknown>>,
  rules: ClaimRules,
): TokenClaims | ClaimFault {
  const { iss, sub, exp, iat, nbf, ctyp, typ, tid, ccid } = claims;
  if (iss !== rules.clusterId) return fault('iss');
  if (typeof sub !== 'string' || !isUserId(sub)) return fault('sub');
  if (ctyp === 'refresh' || (ctyp !== undefined && !isId(ctyp))) return fault('ctyp');
  if (typ !== undefined && typ !== 'user') return fault('typ');
  if (typeof tid !== 'string' || !isId(tid)) return fault('tid');
  if (typeof ccid !== 'string' || !isId(ccid)) return fault('ccid');
  const scopes = readScopes(claims['scopes']);
  if (scopes === undefined) return fault('scopes');
  const expiresAt = readTime(exp);
  if (expiresAt === undefined) return fault('exp');
  const latestStart = rules.now + rules.skewMs;
  for (const [name, time] of [
    ['iat', iat],
    ['nbf', nbf],
  ] as const) {
    if (time === undefined) continue;
    const at = readTime(time);
    if (at === undefined || at > latestStart) return fault(name);
  }
  if (expiresAt > rules.now + rules.lifetimeMs + rules.skewMs) return fault('exp');
  if (rules.now >= expiresAt + rules.skewMs) return { claim: 'exp', expired: true };
  const issuedAt = readTime(iat) ?? expiresAt - rules.lifetimeMs;
  return { user: foldUser(sub), expiresAt, issuedAt, scopes, tokenId: tid, clientId: ccid };
}

function fault(claim: string): ClaimFault {
  return { claim, expired: false };
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && idForm.test(value);
}

/** NumericDate, RFC 7519 §2, as milliseconds. */
function readTime(value: unknown): number | undefined {
  return typeof value === 'number' && value > 0 && value < 1e11 ? value * 1000 : undefined;
}

/** A list, or words separated by spaces or commas as OAuth writes them. */
function readScopes(value: unknown): readonly string[] | undefined {
  const scopes = typeof value === 'string' ? value.split(/[ ,]+/) : value;
  if (!Array.isArray(scopes) || scopes.length > maxScopes) return undefined;
  const words = scopes.filter((scope) => typeof scope === 'string' && /^[\x21-\x7e]{1,256}$/.test(scope));
  return words.length === scopes.length ? (words as string[]) : undefined;
}
