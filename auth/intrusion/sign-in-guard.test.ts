import { beforeEach, describe, expect, test } from 'vitest';
import { printBasic } from '../basic.ts';
import { createSignIn } from '../sign-in.ts';
import { createSignInGuard } from './sign-in-guard.ts';
import { alice, type Doors, openDoors, usualSettings } from '../test-doors.ts';
import { deny } from '../verdict.ts';
import type { DenyReason } from '../verdict.ts';

let doors: Doors;
beforeEach(() => {
  doors = openDoors({ maxLogins: 0 });
});
const guess = printBasic({ user: 'Alice', password: 'guess' });
const office = '198.51.100.7';
const signIn = (authorization: string, clientAddress: string | undefined) =>
  createSignIn({ ...doors, settings: usualSettings })({ deployment: 'd', authorization, clientAddress });

describe('at the sign-in', () => {
  test('a device that guesses is shut out, and call control is not asked again', async () => {
    for (let i = 0; i < 5; i += 1) await signIn(guess, office);
    const asked = doors.asked;
    expect(await signIn(alice, office)).toMatchObject({
      verdict: { code: 429, reason: 'banned', retryAfterS: 600 },
    });
    expect(doors.asked).toBe(asked);
  });

  test('the same user elsewhere, and others in the same office, are not', async () => {
    for (let i = 0; i < 5; i += 1) await signIn(guess, office);
    expect(await signIn(alice, '192.0.2.1')).toMatchObject({ verdict: { outcome: 'allow' } });
    expect(await signIn(printBasic({ user: 'bob', password: 'builder' }), office)).toMatchObject({
      verdict: { outcome: 'allow' },
    });
    doors.clock.advance(600_000);
    expect(await signIn(alice, office)).toMatchObject({ verdict: { outcome: 'allow' } });
  });

  test.each<[DenyReason, string[]]>([
    ['bad-credentials', ['user:d:alice@198.51.100.7']],
    ['unknown-user', ['address:198.51.100.7']],
    ['token-invalid', ['address:198.51.100.7']],
    ['token-expired', []],
    ['token-key-unknown', []],
    ['cookie-invalid', []],
    ['unreachable', []],
    ['rate', []],
    ['busy', []],
  ])('%s counts against %j', (reason, ids) => {
    for (let i = 0; i < 5; i += 1) doors.guard.failed(deny(401, reason, ''), 'd', 'Alice', office);
    expect(doors.bans.list().map(({ id }) => id)).toEqual(ids);
  });

  test('an address that is shut out gets nowhere over a connection that stands', async () => {
    for (let i = 0; i < 5; i += 1) doors.guard.failed(deny(401, 'unknown-user', ''), 'd', 'x', office);
    expect(await signIn(alice, office)).toMatchObject({ verdict: { code: 429, reason: 'banned' } });
    expect(await signIn(alice, '192.0.2.1')).toMatchObject({ verdict: { outcome: 'allow' } });
    expect(doors.asked).toBe(1);
  });

  test('without an address nobody is shut out by address', () => {
    for (let i = 0; i < 9; i += 1) doors.guard.failed(deny(401, 'unknown-user', ''), 'd', 'x', undefined);
    expect(doors.bans.list()).toEqual([]);
  });
});

describe('what a user who has signed in asks for in vain', () => {
  const ask = (address: string) => doors.guard.checkSession('d', 'alice', address);

  test('shuts out that user at that address, and no cookie helps', () => {
    for (let i = 0; i < 5; i += 1) doors.guard.refused(deny(403, 'path', ''), 'd', 'alice', office);
    expect(doors.bans.list().map(({ id }) => id)).toEqual(['user:d:alice@198.51.100.7']);
    expect(ask(office)).toMatchObject({ code: 429, reason: 'banned' });
    expect(ask('192.0.2.1')).toBeUndefined();
  });

  test('what somebody beside him guessed leaves his session alone', () => {
    for (let i = 0; i < 5; i += 1) doors.guard.failed(deny(401, 'bad-credentials', ''), 'd', 'alice', office);
    expect(doors.guard.check('d', 'alice', office)).toMatchObject({ reason: 'banned' });
    expect(ask(office)).toBeUndefined();
  });

  test.each<DenyReason>(['rate', 'unreachable', 'store-unavailable', 'banned'])(
    '%s is not asking in vain',
    (reason) => {
      for (let i = 0; i < 9; i += 1) doors.guard.refused(deny(503, reason, ''), 'd', 'alice', office);
      expect(doors.bans.list()).toEqual([]);
    },
  );
});

test('messaging counts in a category of its own', () => {
  const guard = createSignInGuard(doors.bans, doors.clock.wall, 'xmpp-auth');
  for (let i = 0; i < 5; i += 1) guard.failed(deny(401, 'bad-credentials', ''), 'd', 'alice', office);
  expect(doors.bans.list()).toMatchObject([{ category: 'xmpp-auth' }]);
});
