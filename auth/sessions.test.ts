import { describe, expect, test } from 'vitest';
import { openDoors } from './test-doors.ts';

describe('a session', () => {
  test('is good for its user in its deployment until its end', async () => {
    const { sessions, clock } = openDoors();
    const { value, expiresAt } = sessions.mint('d', 'Alice');
    expect(expiresAt).toBe(clock.wall() + 28_800_000);
    expect(await sessions.check('d', value)).toEqual({ outcome: 'session', user: 'alice' });
    expect(await sessions.check('e', value)).toMatchObject({ code: 401, reason: 'cookie-invalid' });
    clock.advance(28_800_000);
    expect(await sessions.check('d', value)).toMatchObject({ code: 401, reason: 'cookie-expired' });
  });

  test.each(['', 'x', 'A'.repeat(64)])('%j is none', async (value) => {
    expect(await openDoors().sessions.check('d', value)).toMatchObject({
      code: 401,
      reason: 'cookie-invalid',
    });
  });
});

describe('revocation', () => {
  test('voids what was handed out before, not what comes after', async () => {
    const { sessions, revocations, clock } = openDoors();
    const before = sessions.mint('d', 'alice').value;
    const other = sessions.mint('d', 'bob').value;
    await sessions.check('d', before);
    clock.advance(1);
    await revocations.revoke('ALICE');
    expect(await sessions.check('d', before)).toMatchObject({ code: 401, reason: 'cookie-revoked' });
    expect(await sessions.check('d', other)).toMatchObject({ outcome: 'session' });
    clock.advance(1);
    expect(await sessions.check('d', sessions.mint('d', 'alice').value)).toMatchObject({
      outcome: 'session',
    });
  });

  test('at another core arrives when its memory is stale', async () => {
    const here = openDoors();
    const cookie = here.sessions.mint('d', 'alice').value;
    expect(await here.sessions.check('d', cookie)).toMatchObject({ outcome: 'session' });
    // What another core writes into the store they share.
    await here.store.set('revoked:alice', String(here.clock.wall()), 28_800_000);
    expect(await here.sessions.check('d', cookie)).toMatchObject({ outcome: 'session' });
    here.clock.advance(5000);
    expect(await here.sessions.check('d', cookie)).toMatchObject({ reason: 'cookie-revoked' });
  });

  test('is known of no more users than fit, and read again for the others', async () => {
    const { sessions, revocations, clock } = openDoors();
    const cookies = ['a', 'b', 'c'].map((user) => sessions.mint('d', user).value);
    clock.advance(1);
    for (const user of ['a', 'b', 'c']) await revocations.revoke(user);
    for (const cookie of cookies)
      expect(await sessions.check('d', cookie)).toMatchObject({ reason: 'cookie-revoked' });
  });

  test('without its store nothing is let in unchecked', async () => {
    const broken = () => Promise.reject(new Error('gone'));
    const { sessions } = openDoors({ store: { get: broken, set: broken, increment: broken } });
    const { value } = sessions.mint('d', 'alice');
    expect(await sessions.check('d', value)).toMatchObject({ code: 503, reason: 'store-unavailable' });
  });
});
