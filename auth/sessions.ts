// Sessions: X-Auth cookies handed out and taken back in. Puts the cookie's own proof and revocation together; keeps
// nothing of a session itself.
import type { KeyObject } from 'node:crypto';
import { mintCookie } from './cookie.ts';
import { ProvenCookies } from './proven-cookies.ts';
import type { Revocations } from './revocation.ts';
import { deny, type Deny } from './verdict.ts';

export interface SessionOptions {
  /** The first signs; the others are still believed, so that a key can be changed without signing everybody out. */
  readonly keys: readonly [KeyObject, ...KeyObject[]];
  readonly lifetimeMs: number;
  readonly revocations: Revocations;
  readonly now: () => number;
}

export interface Sessions {
  /** `endsAt`: the session ends then if that is sooner than its own lifetime. */
  mint(
    deployment: string,
    user: string,
    endsAt?: number,
  ): { readonly value: string; readonly expiresAt: number };
  /** Whose session a cookie value is, in this deployment. */
  check(
    deployment: string,
    value: string,
  ): Promise<{ readonly outcome: 'session'; readonly user: string } | Deny>;
}

export function createSessions(options: SessionOptions): Sessions {
  const lifetimeS = Math.floor(options.lifetimeMs / 1000);
  const cookies = new ProvenCookies(options.keys);
  return {
    mint(deployment, user, endsAt) {
      const now = options.now();
      const leftS = endsAt === undefined ? lifetimeS : Math.max(1, Math.ceil((endsAt - now) / 1000));
      const seconds = Math.min(lifetimeS, leftS);
      const value = mintCookie(options.keys[0], deployment, user, now, seconds);
      return { value, expiresAt: now + seconds * 1000 };
    },
    async check(deployment, value) {
      const result = cookies.check(deployment, value, options.now());
      if (result.kind === 'expired') return deny(401, 'cookie-expired', 'the X-Auth cookie is past its end');
      if (result.kind === 'forged') {
        return deny(
          401,
          'cookie-invalid',
          'the X-Auth cookie was not signed by this core for this deployment',
        );
      }
      const { user, issuedAt } = result.claims;
      try {
        const revoked = options.revocations.isRevoked(user, issuedAt);
        if (typeof revoked === 'boolean' ? revoked : await revoked) {
          return deny(401, 'cookie-revoked', "the user's sessions have been revoked");
        }
      } catch (error) {
        return deny(503, 'store-unavailable', `the store of revocations failed: ${String(error)}`, 1);
      }
      return { outcome: 'session', user };
    },
  };
}
