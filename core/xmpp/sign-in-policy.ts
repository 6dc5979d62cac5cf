// What access control says about a sign-in for messaging: tokens are judged as at every other door, failures are counted
// against the same offenders, and who is shut out may not try. Trusts edge's word about where a client is as far as it goes.
import type { Deny, SignInGuard } from '../../auth/index.ts';
import type { TokenVerdict } from '../../xmpp/index.ts';
import type { TokenJudge } from './core-xmpp-options.ts';

export interface SignInPolicyOptions {
  readonly tokens: TokenJudge | undefined;
  readonly guard: SignInGuard;
  /** Deployment of a domain that is served. */
  readonly deploymentOf: (domain: string) => string;
  readonly count: (event: string, reason?: string) => void;
}

export class SignInPolicy {
  readonly #options: SignInPolicyOptions;

  constructor(options: SignInPolicyOptions) {
    this.#options = options;
  }

  get areTokensChecked(): boolean {
    return this.#options.tokens !== undefined;
  }

  /** `address` is where edge says the client is. */
  mayTry(user: string, domain: string, address: string | undefined): boolean {
    const { guard, deploymentOf } = this.#options;
    const shutOut =
      guard.checkAddress(address) ?? guard.check(deploymentOf(domain), localPart(user), address);
    return shutOut === undefined;
  }

  /** Never rejects: what fails on the way is `unavailable`. */
  async judge(token: string, domain: string): Promise<TokenVerdict> {
    const { tokens, deploymentOf, count } = this.#options;
    if (tokens === undefined) return 'invalid';
    try {
      const result = await tokens(deploymentOf(domain), token);
      if (result.outcome === 'token') return { user: result.user };
      count('token-refused', result.reason);
      if (result.code === 503) return 'unavailable';
      return result.code === 403 ? 'scope' : forged.has(result.reason) ? 'invalid' : 'stale';
    } catch {
      return 'unavailable';
    }
  }

  /** `user` undefined: only a forged token was shown, which is laid to the address. */
  failed(user: string | undefined, domain: string, address: string | undefined): void {
    const { guard, deploymentOf } = this.#options;
    const verdict = user === undefined ? foreignToken : refusedInside;
    guard.failed(verdict, deploymentOf(domain), user && localPart(user), address);
  }
}

const foreignToken: Deny = {
  outcome: 'deny',
  code: 401,
  reason: 'token-invalid',
  text: 'a token of another user or of nobody',
};
const refusedInside: Deny = {
  outcome: 'deny',
  code: 401,
  reason: 'bad-credentials',
  text: 'the messaging server refused the sign-in',
};

/** What no honest client shows; an expired token or one of a key that has just been changed is no failure. */
const forged: ReadonlySet<string> = new Set(['token-malformed', 'token-invalid']);

function localPart(user: string): string {
  return user.slice(0, user.lastIndexOf('@'));
}
