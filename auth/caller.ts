// Who brings this Authorization value: name and password confirmed by call control, or a token of one of its clusters,
// as far as the access settings offer either. What is not offered is refused before it is looked at.
import { type AccessSettings, checkSignInOffered, offersPasswords, offersTokens } from './access-settings.ts';
import type { Authenticated, Authenticator } from './authenticator.ts';
import { type Credentials, parseBasic } from './basic.ts';
import type { Account } from './credential-cache.ts';
import type { SignInGuard } from './intrusion/sign-in-guard.ts';
import { isBearer, parseBearer } from './oauth/bearer.ts';
import { isSimpleToken, type SimpleTokens } from './oauth/simple-tokens.ts';
import type { Tokens, TokenService } from './oauth/tokens.ts';
import { type AllowReason, deny, type Deny } from './verdict.ts';

export interface CallerOptions {
  readonly settings: AccessSettings;
  readonly authenticator: Authenticator;
  /** Undefined when no cluster's token keys are known. */
  readonly tokens: Tokens | undefined;
  /** Tokens issued here after single sign-on; undefined while that is switched off. */
  readonly simpleTokens: SimpleTokens | undefined;
  /** Intrusion protection. */
  readonly guard: SignInGuard;
}

/** What a client shows at the door. */
export interface Shown {
  readonly deployment: string;
  /** The Authorization header value. */
  readonly authorization: string | undefined;
  /** Where edge says the client is. */
  readonly clientAddress: string | undefined;
}

export interface Caller {
  readonly outcome: 'caller';
  readonly account: Account;
  readonly proof: AllowReason;
  /** When the proof ends by itself, wall clock. */
  readonly expiresAt: number | undefined;
}

/** No; `claimed` is the user id that was sent, proven or not, for the log only. */
export interface Stranger {
  readonly outcome: 'stranger';
  readonly verdict: Deny;
  readonly claimed: string | undefined;
}

/** How a password is checked: a sign-in always counts for rate control, a confirmation only when it must be asked. */
export type PasswordUse = 'signIn' | 'confirm';

/** Reads what is shown; a failure is laid to whoever it is known to be of. */
export async function readCaller(
  options: CallerOptions,
  shown: Shown,
  use: PasswordUse,
): Promise<Caller | Stranger> {
  const { deployment, clientAddress } = shown;
  const read = await recognise(options, shown, use);
  if (read.outcome === 'stranger')
    options.guard.failed(read.verdict, deployment, read.claimed, clientAddress);
  return read;
}

async function recognise(
  options: CallerOptions,
  { deployment, authorization, clientAddress }: Shown,
  use: PasswordUse,
): Promise<Caller | Stranger> {
  const off = checkSignInOffered(options.settings);
  if (off !== undefined) return stranger(off);
  const kept = options.guard.checkAddress(clientAddress);
  if (kept !== undefined) return stranger(kept);
  if (isBearer(authorization)) return readToken(options, deployment, authorization ?? '', 'https');
  const credentials = readCredentials(options.settings, authorization);
  if ('outcome' in credentials) return stranger(credentials);
  const banned = options.guard.check(deployment, credentials.user, clientAddress);
  if (banned !== undefined) return stranger(banned, credentials.user);
  const result: Authenticated | Deny = await options.authenticator[use](deployment, credentials);
  if (result.outcome === 'deny') return stranger(result, credentials.user);
  const proof = result.cached ? 'credentials-cached' : 'credentials';
  return { outcome: 'caller', account: result.account, proof, expiresAt: undefined };
}

async function readToken(
  options: CallerOptions,
  deployment: string,
  authorization: string,
  service: TokenService,
): Promise<Caller | Stranger> {
  const { settings, tokens, simpleTokens } = options;
  const token = parseBearer(authorization);
  if (token !== undefined && simpleTokens !== undefined && isSimpleToken(token))
    return readSimpleToken(simpleTokens, deployment, token);
  if (!offersTokens(settings) || tokens === undefined)
    return stranger(deny(401, 'scheme-unsupported', 'these tokens are switched off in the access settings'));
  if (token === undefined)
    return stranger(deny(401, 'token-malformed', 'the Authorization header holds no token'));
  const checked = tokens.check(deployment, token, service);
  const result = checked instanceof Promise ? await checked : checked;
  if (result.outcome === 'deny') return stranger(result);
  const account = { user: result.user, homeCluster: result.cluster };
  return { outcome: 'caller', account, proof: 'token', expiresAt: result.expiresAt };
}

async function readSimpleToken(
  simpleTokens: SimpleTokens,
  deployment: string,
  token: string,
): Promise<Caller | Stranger> {
  const result = await simpleTokens.check(deployment, token, 'https');
  if (result.outcome === 'deny') return stranger(result);
  const { user, homeCluster, expiresAt } = result;
  return { outcome: 'caller', account: { user, homeCluster }, proof: 'simple-token', expiresAt };
}

/** The name and password in an Authorization value, or why there are none. */
export function readCredentials(
  settings: AccessSettings,
  authorization: string | undefined,
): Credentials | Deny {
  const basic = parseBasic(authorization);
  if (!offersPasswords(settings)) {
    if (basic.kind === 'missing') return deny(401, 'token-missing', 'no token was sent');
    return deny(403, 'access-off', 'sign-in by user credential is switched off in the access settings');
  }
  switch (basic.kind) {
    case 'basic':
      return basic.credentials;
    case 'missing':
      return deny(401, 'credentials-missing', 'no credentials were sent');
    case 'malformed':
      return deny(401, 'credentials-malformed', 'the Authorization header cannot be read');
    default:
      return deny(401, 'scheme-unsupported', 'this authorization scheme is not offered');
  }
}

function stranger(verdict: Deny, claimed?: string): Stranger {
  return { outcome: 'stranger', verdict, claimed };
}
