// Name and password against call control, with everything that keeps it from being asked in vain: the cache of
// confirmations, rate control, and one question at a time per user. Without the last, many guesses sent at once would
// all be under way before the first is counted. Bounded by `maxUsersAtOnce` and `maxWaitingPerUser`.
import type { Credentials } from './basic.ts';
import type { Account, CredentialCache } from './credential-cache.ts';
import type { RateControl } from './rate-control.ts';
import { foldUser } from './user-id.ts';
import { deny, type Deny } from './verdict.ts';

/** What call control says about a name and password; `cause` is a sentence for the operator. */
export type PasswordResult =
  | { readonly kind: 'ok'; readonly account: Account }
  | { readonly kind: 'bad-credentials' }
  | { readonly kind: 'unknown-user' }
  | { readonly kind: 'no-home-cluster' }
  | { readonly kind: 'not-permitted'; readonly cause: string }
  | { readonly kind: 'unreachable'; readonly cause: string };

/** Never rejects: that nobody could be asked is a result. */
export type PasswordCheck = (deployment: string, credentials: Credentials) => Promise<PasswordResult>;

export interface AuthenticatorOptions {
  readonly passwordCheck: PasswordCheck;
  readonly cache: CredentialCache;
  readonly rate: RateControl;
  readonly maxUsersAtOnce: number;
  readonly maxWaitingPerUser: number;
  /** Call control has just confirmed these. */
  readonly confirmed: (deployment: string, credentials: Credentials) => void;
  readonly count: (event: string, reason?: string) => void;
}

export type Authenticated = {
  readonly outcome: 'account';
  readonly account: Account;
  readonly cached: boolean;
};

export interface Authenticator {
  /** For signing in: every use counts for rate control, a confirmed one too. */
  signIn(deployment: string, credentials: Credentials): Promise<Authenticated | Deny>;
  /** For a request that brings credentials along: one that the cache confirms costs and counts nothing. */
  confirm(deployment: string, credentials: Credentials): Promise<Authenticated | Deny>;
}

export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const { cache, rate, passwordCheck } = options;
  const turns = createTurns(options.maxUsersAtOnce, options.maxWaitingPerUser);

  const ask = async (
    deployment: string,
    credentials: Credentials,
    key: string,
  ): Promise<Authenticated | Deny> => {
    const result = await passwordCheck(deployment, credentials);
    if (result.kind === 'unreachable') return deny(503, 'unreachable', result.cause, retryUnreachableS);
    await rate.count(deployment, credentials.user);
    if (result.kind !== 'ok') return denial(result);
    cache.set(key, result.account);
    options.confirmed(deployment, credentials);
    return { outcome: 'account', account: result.account, cached: false };
  };

  const attempt = async (deployment: string, credentials: Credentials, counted: boolean) => {
    const key = cache.key(deployment, credentials);
    const limited = await rate.check(deployment, credentials.user);
    const account = cache.get(key);
    if (account !== undefined && !counted) return { outcome: 'account', account, cached: true } as const;
    if (limited !== undefined) return limited;
    if (account === undefined) return ask(deployment, credentials, key);
    await rate.count(deployment, credentials.user);
    return { outcome: 'account', account, cached: true } as const;
  };

  const inTurn = async (deployment: string, credentials: Credentials, counted: boolean) => {
    const turn = turns.take(`${deployment}:${foldUser(credentials.user)}`);
    if (turn === undefined) return deny(503, 'busy', 'too many sign-ins of this user or in all', 1);
    await turn.begin;
    try {
      return await attempt(deployment, credentials, counted);
    } catch (error) {
      options.count('store-failed');
      return deny(503, 'store-unavailable', `the store of rate counters failed: ${String(error)}`, 1);
    } finally {
      turn.end();
    }
  };

  return {
    signIn: (deployment, credentials) => inTurn(deployment, credentials, true),
    async confirm(deployment, credentials) {
      const account = cache.get(cache.key(deployment, credentials));
      if (account !== undefined) return { outcome: 'account', account, cached: true };
      return inTurn(deployment, credentials, false);
    },
  };
}

/** Seconds after which a client may ask again when call control could not be reached; discovery retries faster. */
const retryUnreachableS = 5;

function denial(result: Exclude<PasswordResult, { kind: 'ok' | 'unreachable' }>): Deny {
  switch (result.kind) {
    case 'bad-credentials':
      return deny(401, 'bad-credentials', 'Unified CM refused name or password');
    case 'unknown-user':
      return deny(401, 'unknown-user', 'no cluster knows this user');
    case 'no-home-cluster':
      return deny(401, 'no-home-cluster', "the user's home cluster is none of the configured ones");
    default:
      return deny(403, 'not-permitted', result.cause);
  }
}

interface Turns {
  /** A place in the queue of `key`; undefined when there is none left. */
  take(key: string): { begin: Promise<void>; end: () => void } | undefined;
}

function createTurns(maxKeys: number, maxWaiting: number): Turns {
  const queues = new Map<string, { last: Promise<void>; length: number }>();
  return {
    take(key) {
      const queue = queues.get(key) ?? { last: Promise.resolve(), length: 0 };
      if (queue.length > maxWaiting || (queue.length === 0 && queues.size >= maxKeys)) return undefined;
      const begin = queue.last;
      const { promise, resolve } = Promise.withResolvers<void>();
      queue.last = promise;
      queue.length += 1;
      queues.set(key, queue);
      const end = (): void => {
        queue.length -= 1;
        if (queue.length === 0) queues.delete(key);
        resolve();
      };
      return { begin, end };
    },
  };
}
