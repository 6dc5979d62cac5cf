import { expect, it } from 'vitest';
import { mintCookie } from './cookie.ts';
import { randomCookieKey } from './cookie-key.ts';
import { ProvenCookies } from './proven-cookies.ts';

const key = randomCookieKey();
const now = 1_800_000_000_000;

it('a proven cookie stays good to its end and not beyond', () => {
  const cookies = new ProvenCookies([key]);
  const value = mintCookie(key, 'default', 'alice', now, 60);
  for (const at of [now, now + 1, now + 59_999]) {
    expect(cookies.check('default', value, at)).toMatchObject({ kind: 'genuine', claims: { user: 'alice' } });
  }
  expect(cookies.size).toBe(1);
  expect(cookies.check('default', value, now + 60_000).kind).toBe('expired');
  expect(cookies.size).toBe(0);
});

it('proof in one deployment is none in another', () => {
  const cookies = new ProvenCookies([key]);
  const value = mintCookie(key, 'default', 'alice', now, 60);
  cookies.check('default', value, now);
  expect(cookies.check('other', value, now).kind).toBe('forged');
});

it('forged cookies are not kept, and genuine ones up to a bound', () => {
  const cookies = new ProvenCookies([key]);
  for (let at = 0; at < 100; at += 1)
    cookies.check('default', mintCookie(randomCookieKey(), 'default', `u${at}`, now, 60), now);
  expect(cookies.size).toBe(0);
  for (let at = 0; at < 20_100; at += 1)
    cookies.check('default', mintCookie(key, 'default', `u${at}`, now, 60), now);
  expect(cookies.size).toBe(20_000);
});
