// May this request go through the proxy lane? The table below is the order of verdicts: who is asking comes before
// what is asked for, so that a stranger learns nothing about what exists inside.
import { checkSignInOffered, offersTokens } from './access-settings.ts';
import type { AllowList, Listing } from './allow-list/allow-list.ts';
import { parseBasic } from './basic.ts';
import { type CallerOptions, readCaller, type Shown } from './caller.ts';
import { readXAuth } from './cookie-header.ts';
import { isBearer, parseBearer } from './oauth/bearer.ts';
import { isSimpleToken } from './oauth/simple-tokens.ts';
import { checkOwnUser } from './own-user.ts';
import type { Sessions } from './sessions.ts';
import { foldUser } from './user-id.ts';
import { type AllowReason, allow, deny, type Deny, type Verdict } from './verdict.ts';

export interface LaneRequest extends Shown {
  /** Every Cookie line. */
  readonly cookies: readonly string[];
  readonly method: string;
  readonly protocol: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** Canonical, without query. */
  readonly path: string;
}

export interface LaneAccessOptions extends CallerOptions {
  readonly sessions: Sessions;
  /** The list in force now; it changes when nodes are discovered. */
  readonly allowList: () => AllowList;
}

/** The verdict with what was found out on the way, for the log and for the connection inside. */
export interface LaneDecision {
  readonly verdict: Verdict;
  readonly user: string | undefined;
  /** The user id that was sent in vain. */
  readonly claimed: string | undefined;
  readonly listing: Listing | undefined;
}

export type LaneAccess = (request: LaneRequest) => Promise<LaneDecision>;

/** What the checks have found out so far. */
interface Findings {
  user: string | undefined;
  claimed: string | undefined;
  proof: AllowReason;
  listing: Listing | undefined;
}
type Check = (request: LaneRequest, findings: Findings) => Deny | undefined | Promise<Deny | undefined>;

export function createLaneAccess(options: LaneAccessOptions): LaneAccess {
  const checks: readonly Check[] = [
    () => checkSignInOffered(options.settings),
    (request, findings) => checkCaller(options, request, findings),
    (request, { user }) =>
      user === undefined
        ? undefined
        : options.guard.checkSession(request.deployment, user, request.clientAddress),
    (request, findings) => checkOneIdentity(options, request, findings),
    (request, findings) => checkListed(options.allowList(), request, findings),
    checkOwn,
  ];
  return async (request) => {
    const findings: Findings = { user: undefined, claimed: undefined, proof: 'cookie', listing: undefined };
    const denied = await firstDenial(checks, request, findings);
    const { user, claimed, listing, proof } = findings;
    if (denied !== undefined && user !== undefined)
      options.guard.refused(denied, request.deployment, user, request.clientAddress);
    const verdict = denied ?? allow(proof, `${proof} of the user, ${listing?.text ?? ''}`);
    return { verdict, user, claimed, listing };
  };
}

async function firstDenial(
  checks: readonly Check[],
  request: LaneRequest,
  findings: Findings,
): Promise<Deny | undefined> {
  for (const check of checks) {
    const verdict = check(request, findings);
    const denied = verdict instanceof Promise ? await verdict : verdict;
    if (denied !== undefined) return denied;
  }
  return undefined;
}

/** A genuine cookie, or good credentials. A cookie that is there but void falls back on credentials, if any. */
async function checkCaller(
  options: LaneAccessOptions,
  request: LaneRequest,
  findings: Findings,
): Promise<Deny | undefined> {
  const cookie = readXAuth(request.cookies);
  const session = cookie === undefined ? undefined : await options.sessions.check(request.deployment, cookie);
  if (session?.outcome === 'session') {
    findings.user = session.user;
    return undefined;
  }
  const caller = await readCaller(options, request, 'confirm');
  if (caller.outcome === 'stranger') {
    findings.claimed = caller.claimed;
    const isSilent = request.authorization === undefined || unheard.has(caller.verdict.reason);
    return isSilent ? (session ?? caller.verdict) : caller.verdict;
  }
  findings.user = caller.account.user;
  findings.proof = caller.proof;
  return undefined;
}

/** Credentials that were not looked at say nothing against a cookie's own verdict. */
const unheard: ReadonlySet<string> = new Set([
  'access-off',
  'credentials-malformed',
  'scheme-unsupported',
  'token-malformed',
]);

/** A cookie of one user does not carry the credentials of another inside. */
function checkOneIdentity(
  options: LaneAccessOptions,
  request: LaneRequest,
  findings: Findings,
): Deny | undefined | Promise<Deny | undefined> {
  if (isBearer(request.authorization)) return checkTokenIdentity(options, request, findings);
  const basic = parseBasic(request.authorization);
  if (basic.kind === 'malformed')
    return deny(401, 'credentials-malformed', 'the Authorization header cannot be read');
  if (basic.kind !== 'basic' || foldUser(basic.credentials.user) === findings.user) return undefined;
  return deny(403, 'identity-mismatch', 'cookie and credentials belong to different users');
}

/**
 * A cookie opened the lane and a token travels on inside: it must be the same user's. A token that none of our clusters
 * signed is some other service's, and for that service to judge.
 */
async function checkTokenIdentity(
  options: LaneAccessOptions,
  request: LaneRequest,
  findings: Findings,
): Promise<Deny | undefined> {
  if (findings.proof === 'token' || findings.proof === 'simple-token') return undefined;
  const token = parseBearer(request.authorization ?? '');
  // One of ours goes no further in: it opens nothing there, and void or foreign it says nothing against the cookie.
  if (token !== undefined && isSimpleToken(token)) return undefined;
  if (options.tokens === undefined || !offersTokens(options.settings)) return undefined;
  if (token === undefined) return deny(401, 'token-malformed', 'the Authorization header holds no token');
  const result = await options.tokens.check(request.deployment, token, 'https');
  if (result.outcome === 'token') {
    if (result.user === findings.user) return undefined;
    return deny(403, 'identity-mismatch', 'cookie and token belong to different users');
  }
  return foreignToken.has(result.reason) ? undefined : result;
}

const foreignToken: ReadonlySet<string> = new Set(['token-key-unknown', 'token-malformed']);

function checkListed(list: AllowList, request: LaneRequest, findings: Findings): Deny | undefined {
  const listing = list.decide(request);
  findings.listing = listing;
  return listing.outcome === 'listed' ? undefined : deny(403, listing.reason, listing.text);
}

function checkOwn(request: LaneRequest, findings: Findings): Deny | undefined {
  return findings.user === undefined ? undefined : checkOwnUser(findings.user, request.path);
}
