// Intrusion protection at the sign-in: which refusals are failures of whom. A wrong password is the claimed user's at
// this address; a user nobody knows or a forged token is the address's alone. What honest clients meet in an outage
// or after a change of keys (expired, unknown key, unreachable, 429) is nobody's failure.
import { deny, type Deny, type DenyReason } from '../verdict.ts';
import type { BanList } from './ban-list.ts';
import type { Offender } from './offender.ts';

/** Doors that sign people in: Expressway's "HTTP proxy authorization failure", and messaging. */
type SignInCategory = 'http-auth' | 'xmpp-auth';
/** Expressway's "HTTP proxy resource access failure". */
const resourceCategory = 'http-resource';

export interface SignInGuard {
  /** A verdict when this address is shut out: edge closes its doors to it, but not connections that stand. */
  checkAddress(address: string | undefined): Deny | undefined;
  /** A verdict when this user at this address is shut out; `address` undefined when edge does not say. */
  check(deployment: string, user: string, address: string | undefined): Deny | undefined;
  failed(verdict: Deny, deployment: string, claimed: string | undefined, address: string | undefined): void;
  /**
   * The same for a user who has signed in: only what he asked for in vain shuts him out, not what somebody beside him
   * guessed.
   */
  checkSession(deployment: string, user: string, address: string | undefined): Deny | undefined;
  /** A proven user was refused something inside. */
  refused(verdict: Deny, deployment: string, user: string, address: string | undefined): void;
}

const ofResource: ReadonlySet<DenyReason> = new Set([
  'node-unknown',
  'service-unknown',
  'path',
  'method',
  'other-user',
  'identity-mismatch',
]);
const ofUser: ReadonlySet<DenyReason> = new Set(['bad-credentials']);
const ofAddress: ReadonlySet<DenyReason> = new Set([
  'unknown-user',
  'credentials-malformed',
  'token-malformed',
  'token-invalid',
]);

/** The guard of one door. */
export function createSignInGuard(
  bans: BanList,
  now: () => number,
  door: SignInCategory = 'http-auth',
): SignInGuard {
  const judge = (offender: Offender, only?: string): Deny | undefined => {
    const ban = bans.find(offender);
    if (ban === undefined || (only !== undefined && ban.category !== only)) return undefined;
    const retryAfterS = Math.max(1, Math.ceil((ban.until - now()) / 1000));
    return deny(429, 'banned', `shut out after ${ban.failures} failures; id ${ban.id}`, retryAfterS);
  };
  return {
    checkAddress: (address) => (address === undefined ? undefined : judge({ kind: 'address', address })),
    check: (deployment, user, address = '') => judge({ kind: 'user', deployment, user, address }),
    failed(verdict, deployment, claimed, address) {
      const offender = offenderOf(verdict.reason, deployment, claimed, address);
      if (offender !== undefined) bans.note(door, offender);
    },
    checkSession: (deployment, user, address = '') =>
      judge({ kind: 'user', deployment, user, address }, resourceCategory),
    refused(verdict, deployment, user, address) {
      if (ofResource.has(verdict.reason) && address !== undefined)
        bans.note(resourceCategory, { kind: 'user', deployment, user, address });
    },
  };
}

function offenderOf(
  reason: DenyReason,
  deployment: string,
  claimed: string | undefined,
  address: string | undefined,
): Offender | undefined {
  if (ofUser.has(reason) && claimed !== undefined)
    return { kind: 'user', deployment, user: claimed, address: address ?? '' };
  return ofAddress.has(reason) && address !== undefined ? { kind: 'address', address } : undefined;
}
