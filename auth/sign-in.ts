// Signing in with get_edge_config: who it is, then a session. A cookie is no credential here, or whoever holds one could
// renew it for ever; and a session begun by a token ends no later than the token would have been renewed.
import { type CallerOptions, readCaller, type Shown } from './caller.ts';
import type { Account } from './credential-cache.ts';
import type { Sessions } from './sessions.ts';
import { type Allow, allow, type Deny } from './verdict.ts';

export interface SignInOptions extends CallerOptions {
  readonly sessions: Sessions;
}

export type SignInRequest = Shown;

/** Yes, with the account and a new session. */
export interface SignedIn {
  readonly verdict: Allow;
  readonly account: Account;
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
  return async (shown) => {
    const { deployment } = shown;
    const caller = await readCaller(options, shown, 'signIn');
    if (caller.outcome === 'stranger') return { verdict: caller.verdict, claimed: caller.claimed };
    const { account, proof, expiresAt } = caller;
    const cookie = options.sessions.mint(deployment, account.user, expiresAt);
    const words =
      proof === 'token' || proof === 'simple-token'
        ? 'the access token is good'
        : 'name and password are good';
    return { verdict: allow(proof, words), account, cookie };
  };
}
