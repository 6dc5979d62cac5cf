import { describe, expect, it } from 'vitest';
import { type BanList, createBanList, createSignInGuard, type TokenResult } from '../../auth/index.ts';
import { SignInPolicy } from './sign-in-policy.ts';

const ADDRESS = '192.0.2.7';
const ALICE = 'alice@example.com';

function policy(answer: () => TokenResult | Promise<TokenResult> = () => refused(401, 'token-invalid')) {
  const counted: string[] = [];
  const asked: string[] = [];
  const bans: BanList = createBanList({
    categories: new Map([['xmpp-auth', { triggerLevel: 3, windowMs: 1000, blockMs: 1000 }]]),
    exempt: [],
    maxBans: 10,
    maxCounters: 10,
    maxHistory: 10,
    now: () => 0,
    count: () => undefined,
    onBan: () => undefined,
  });
  const checked = new SignInPolicy({
    tokens: (deployment, token) => {
      asked.push(`${deployment} ${token}`);
      return answer();
    },
    guard: createSignInGuard(bans, () => 0, 'xmpp-auth'),
    deploymentOf: (domain) => (domain === 'example.com' ? 'east' : ''),
    count: (event, reason) => counted.push(`${event} ${reason}`),
  });
  return { asked, bans, checked, counted };
}

function refused(
  code: 401 | 403 | 503,
  reason: 'token-invalid' | 'token-expired' | 'token-scope' | 'store-unavailable',
): TokenResult {
  return { outcome: 'deny', code, reason, text: '' };
}

const good = { outcome: 'token', user: 'alice' } as TokenResult;

describe('an access token', () => {
  it.each([
    ['that is good', () => good, { user: 'alice' }],
    ['that is good, but only after a fetch', () => Promise.resolve(good), { user: 'alice' }],
    ['that is forged', () => refused(401, 'token-invalid'), 'invalid'],
    ['that is past its end', () => refused(401, 'token-expired'), 'stale'],
    ['that does not open messaging', () => refused(403, 'token-scope'), 'scope'],
    ['while the store is away', () => refused(503, 'store-unavailable'), 'unavailable'],
    ['while everything fails', () => Promise.reject(new Error('x')), 'unavailable'],
  ] as const)('%s', async (_name, answer, verdict) => {
    const { asked, checked } = policy(answer);
    expect(await checked.judge('a.b.c', 'example.com')).toEqual(verdict);
    expect(asked).toEqual(['east a.b.c']);
  });
});

describe('who fails too often', () => {
  it('is shut out as the user at that address, and nowhere else', () => {
    const { checked } = policy();
    for (let n = 0; n < 3; n += 1) {
      expect(checked.mayTry(ALICE, 'example.com', ADDRESS)).toBe(true);
      checked.failed(ALICE, 'example.com', ADDRESS);
    }
    expect(checked.mayTry(ALICE, 'example.com', ADDRESS)).toBe(false);
    expect(checked.mayTry('bob@example.com', 'example.com', ADDRESS)).toBe(true);
    expect(checked.mayTry(ALICE, 'example.com', '192.0.2.8')).toBe(true);
  });

  it('is shut out as an address when only forged tokens were shown', () => {
    const { checked } = policy();
    for (let n = 0; n < 3; n += 1) checked.failed(undefined, 'example.com', ADDRESS);
    expect(checked.mayTry('bob@example.com', 'example.com', ADDRESS)).toBe(false);
    expect(checked.mayTry('bob@example.com', 'example.com', undefined)).toBe(true);
  });
});
