// Authorization rate control: how often one user's credentials may be used per period, all devices together. It keeps
// a client that signs in in a loop, and somebody who guesses, away from call control. Counted in the shared store, so
// that a cluster has one count. Looking and counting are two steps, because an attempt that nobody could answer must
// not count: an outage of call control would otherwise go on as 429 after its end.
import { createHash } from 'node:crypto';
import type { Store } from './store.ts';
import { deny, type Deny } from './verdict.ts';
import { foldUser } from './user-id.ts';

export interface RateControlOptions {
  readonly store: Store;
  /** Sign-ins per user and period; 0 switches rate control off. */
  readonly maxLogins: number;
  readonly periodMs: number;
  readonly now: () => number;
}

/** Both reject when the store fails. */
export interface RateControl {
  /** A verdict when the user's credentials have been used too often in this period. */
  check(deployment: string, user: string): Promise<Deny | undefined>;
  count(deployment: string, user: string): Promise<void>;
}

/** The store is on disk, and people type passwords into the field for the name. */
const digest = (user: string): string => createHash('sha256').update(user).digest('base64url').slice(0, 22);

/** Periods follow each other on the clock, so that every core of a cluster counts in the same one. */
export function createRateControl(options: RateControlOptions): RateControl {
  const { store, maxLogins, periodMs } = options;
  const keyAt = (now: number, deployment: string, user: string): string =>
    `logins:${deployment}:${Math.floor(now / periodMs)}:${digest(foldUser(user))}`;
  return {
    async check(deployment, user) {
      if (maxLogins === 0) return undefined;
      const now = options.now();
      const logins = Number((await store.get(keyAt(now, deployment, user))) ?? 0);
      if (logins < maxLogins) return undefined;
      const retryAfterS = Math.max(1, Math.ceil((periodMs - (now % periodMs)) / 1000));
      return deny(429, 'rate', `${maxLogins} sign-ins in ${periodMs / 1000} s are used up`, retryAfterS);
    },
    async count(deployment, user) {
      if (maxLogins > 0) await store.increment(keyAt(options.now(), deployment, user), periodMs);
    },
  };
}
