// May this request go through the proxy lane? The table below is the order of verdicts: who is asking comes before
// what is asked for, so that a stranger learns nothing about what exists inside.
import { type AccessSettings, checkPasswordsOffered } from './access-settings.ts';
import type { AllowList, Listing } from './allow-list/allow-list.ts';
import type { Authenticator } from './authenticator.ts';
import { parseBasic } from './basic.ts';
import { readXAuth } from './cookie-header.ts';
import { checkOwnUser } from './own-user.ts';
import type { Sessions } from './sessions.ts';
import { readCredentials } from './sign-in.ts';
import { foldUser } from './user-id.ts';
import { type AllowReason, allow, deny, type Deny, type Verdict } from './verdict.ts';

export interface LaneRequest {
  readonly deployment: string;
  readonly authorization: string | undefined;
  /** Every Cookie line. */
  readonly cookies: readonly string[];
  readonly method: string;
  readonly protocol: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** Canonical, without query. */
  readonly path: string;
}

export interface LaneAccessOptions {
  readonly settings: AccessSettings;
  readonly sessions: Sessions;
  readonly authenticator: Authenticator;
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
    () => checkPasswordsOffered(options.settings),
    (request, findings) => checkCaller(options, request, findings),
    checkOneIdentity,
    (request, findings) => checkListed(options.allowList(), request, findings),
    checkOwn,
  ];
  return async (request) => {
    const findings: Findings = { user: undefined, claimed: undefined, proof: 'cookie', listing: undefined };
    const denied = await firstDenial(checks, request, findings);
    const { user, claimed, listing, proof } = findings;
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
  const credentials = readCredentials(request.authorization);
  if ('outcome' in credentials) return session ?? credentials;
  const result = await options.authenticator.confirm(request.deployment, credentials);
  if (result.outcome === 'deny') {
    findings.claimed = credentials.user;
    return result;
  }
  findings.user = result.account.user;
  findings.proof = result.cached ? 'credentials-cached' : 'credentials';
  return undefined;
}

/** A cookie of one user does not carry the credentials of another inside. */
function checkOneIdentity(request: LaneRequest, findings: Findings): Deny | undefined {
  const basic = parseBasic(request.authorization);
  if (basic.kind === 'malformed')
    return deny(401, 'credentials-malformed', 'the Authorization header cannot be read');
  if (basic.kind !== 'basic' || foldUser(basic.credentials.user) === findings.user) return undefined;
  return deny(403, 'identity-mismatch', 'cookie and credentials belong to different users');
}

function checkListed(list: AllowList, request: LaneRequest, findings: Findings): Deny | undefined {
  const listing = list.decide(request);
  findings.listing = listing;
  return listing.outcome === 'listed' ? undefined : deny(403, listing.reason, listing.text);
}

function checkOwn(request: LaneRequest, findings: Findings): Deny | undefined {
  return findings.user === undefined ? undefined : checkOwnUser(findings.user, request.path);
}
