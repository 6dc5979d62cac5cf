// What the tests of this room open its doors with: a call control that answers from a table and counts its questions,
// the embedded store, a clock moved by hand. Not part of the product.
import { type BanList, createBanList } from './intrusion/ban-list.ts';
import { createSignInGuard, type SignInGuard } from './intrusion/sign-in-guard.ts';
import { createMemoryStore } from '../zones/store/memory-store.ts';
import { ManualClock } from '../zones/test-clock.ts';
import { type Authenticator, createAuthenticator, type PasswordResult } from './authenticator.ts';
import { printBasic } from './basic.ts';
import { randomCookieKey } from './cookie-key.ts';
import { createCredentialCache, type CredentialCache } from './credential-cache.ts';
import { createRateControl } from './rate-control.ts';
import { createRevocations, type Revocations } from './revocation.ts';
import { createSessions, type Sessions } from './sessions.ts';
import type { Store } from './store.ts';
import { foldUser } from './user-id.ts';

export const usualSettings = {
  authenticationPath: 'ucm-ldap',
  oauthWithRefresh: false,
  oauthSimple: false,
  userCredential: true,
  internalCheck: false,
  activationCodeOnboarding: false,
  embeddedSafari: false,
  clientRedirectUri: false,
  sipTokenExtraTtlS: 0,
} as const;

export const alice = printBasic({ user: 'alice', password: 'wonderland' });
export const bob = printBasic({ user: 'bob', password: 'builder' });

export interface Doors {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly cache: CredentialCache;
  readonly revocations: Revocations;
  readonly sessions: Sessions;
  readonly authenticator: Authenticator;
  readonly tokens: undefined;
  readonly simpleTokens: undefined;
  readonly bans: BanList;
  readonly guard: SignInGuard;
  readonly counted: string[];
  /** How often call control was asked. */
  asked: number;
  /** When set: what call control says to everybody. */
  answer: PasswordResult | undefined;
  /** When set: questions wait for it. */
  gate: Promise<void> | undefined;
}

export interface DoorChanges {
  readonly maxLogins?: number;
  readonly store?: Store;
  readonly maxUsersAtOnce?: number;
  readonly maxWaitingPerUser?: number;
}

export function openDoors(changes: DoorChanges = {}): Doors {
  const clock = new ManualClock();
  const counted: string[] = [];
  const count = (event: string): void => void counted.push(event);
  const now = clock.wall;
  const kept = createMemoryStore({
    journal: undefined,
    sweepMs: 1000,
    clock,
    count,
    onHealth: () => undefined,
  });
  const space = { maxEntries: 1000, maxEntryLength: 1000, whenFull: 'evict', durable: false } as const;
  const store = changes.store ?? kept.namespace('auth', space);
  const cache = createCredentialCache({
    ttlMs: 28_800_000,
    cleanupMs: 43_200_000,
    maxEntries: 100,
    now,
    count,
  });
  const revocations = createRevocations({ store, refreshMs: 5000, keepMs: 28_800_000, maxUsers: 2, now });
  const sessions = createSessions({ keys: [randomCookieKey()], lifetimeMs: 28_800_000, revocations, now });
  const rate = createRateControl({ store, maxLogins: changes.maxLogins ?? 8, periodMs: 300_000, now });
  const authenticator = createAuthenticator({
    passwordCheck: (_deployment, credentials) => ask(doors, credentials.user, printBasic(credentials)),
    cache,
    rate,
    maxUsersAtOnce: changes.maxUsersAtOnce ?? 10,
    maxWaitingPerUser: changes.maxWaitingPerUser ?? 10,
    confirmed: () => undefined,
    count,
  });
  const bans = createBanList({
    categories: new Map(
      ['http-auth', 'http-resource', 'xmpp-auth'].map((name) => [
        name,
        { triggerLevel: 5, windowMs: 600_000, blockMs: 600_000 },
      ]),
    ),
    exempt: [],
    maxBans: 10,
    maxCounters: 10,
    maxHistory: 10,
    now,
    count,
    onBan: () => undefined,
  });
  const doors: Doors = {
    clock,
    store,
    cache,
    revocations,
    sessions,
    authenticator,
    tokens: undefined,
    simpleTokens: undefined,
    bans,
    guard: createSignInGuard(bans, now),
    counted,
    asked: 0,
    answer: undefined,
    gate: undefined,
  };
  return doors;
}

async function ask(doors: Doors, user: string, basic: string): Promise<PasswordResult> {
  doors.asked += 1;
  await doors.gate;
  if (doors.answer !== undefined) return doors.answer;
  const known = basic === alice || basic === bob || basic.startsWith('Basic QUxJQ0U6');
  return known
    ? { kind: 'ok', account: { user: foldUser(user), homeCluster: 'c1' } }
    : { kind: 'bad-credentials' };
}
