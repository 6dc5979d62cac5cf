// Signing in with get_edge_config: the checks in the order of their verdicts, then a session. The first that refuses
// decides. A cookie is no credential here, or whoever holds one could renew it for ever.
import { type AccessSettings, checkPasswordsOffered } from './access-settings.ts';
import type { Authenticator } from './authenticator.ts';
import { type Credentials, parseBasic } from './basic.ts';
import type { Account } from './credential-cache.ts';
import type { Sessions } from './sessions.ts';
import { type Allow, allow, deny, type Deny } from './verdict.ts';

export interface SignInOptions {
  readonly settings: AccessSettings;
  readonly authenticator: Authenticator;
  readonly sessions: Sessions;
}

export interface SignInRequest {
  readonly deployment: string;
  /** The Authorization header value. */
  readonly authorization: string | undefined;
}

/** Yes, with the account, what proved it (for asking call control in the user's name) and a new session. */
export interface SignedIn {
  readonly verdict: Allow;
  readonly account: Account;
  readonly credentials: Credentials;
  readonly cookie: { readonly value: string; readonly expiresAt: number };
}

/** No; `claimed` is the user id that was sent, proven or not, for the log only. */
export interface NotSignedIn {
  readonly verdict: Deny;
  readonly claimed: string | undefined;
}

export type SignInResult = SignedIn | NotSignedIn;

export type SignIn = (request: SignInRequest) => Promise<SignInResult>;

export function createSignIn(options: SignInOptions): SignIn {
  return async (request) => {
    const off = checkPasswordsOffered(options.settings);
    if (off !== undefined) return { verdict: off, claimed: undefined };
    const credentials = readCredentials(request.authorization);
    if ('outcome' in credentials) return { verdict: credentials, claimed: undefined };
    const result = await options.authenticator.signIn(request.deployment, credentials);
    if (result.outcome === 'deny') return { verdict: result, claimed: credentials.user };
    const { account, cached } = result;
    const cookie = options.sessions.mint(request.deployment, account.user);
    const verdict = allow(cached ? 'credentials-cached' : 'credentials', 'name and password are good');
    return { verdict, account, credentials, cookie };
  };
}

/** The credentials in an Authorization header, or why there are none. */
export function readCredentials(authorization: string | undefined): Credentials | Deny {
  const basic = parseBasic(authorization);
  switch (basic.kind) {
    case 'basic':
      return basic.credentials;
    case 'missing':
      return deny(401, 'credentials-missing', 'no credentials were sent');
    case 'malformed':
      return deny(401, 'credentials-malformed', 'the Authorization header cannot be read');
    default:
      return deny(401, 'scheme-unsupported', 'only Basic credentials are accepted in this version');
  }
}
