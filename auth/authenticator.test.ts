import { describe, expect, test } from 'vitest';
import type { PasswordResult } from './authenticator.ts';
import { openDoors } from './test-doors.ts';

const good = { user: 'alice', password: 'wonderland' };
const bad = { user: 'alice', password: 'guess' };

describe('what call control says', () => {
  const rows: [answer: PasswordResult, code: number, reason: string][] = [
    [{ kind: 'bad-credentials' }, 401, 'bad-credentials'],
    [{ kind: 'unknown-user' }, 401, 'unknown-user'],
    [{ kind: 'no-home-cluster' }, 401, 'no-home-cluster'],
    [{ kind: 'not-permitted', cause: 'no role' }, 403, 'not-permitted'],
    [{ kind: 'unreachable', cause: 'nobody there' }, 503, 'unreachable'],
  ];
  test.each(rows)('%o', async (answer, code, reason) => {
    const doors = openDoors();
    doors.answer = answer;
    expect(await doors.authenticator.signIn('d', good)).toMatchObject({ outcome: 'deny', code, reason });
    expect(await doors.authenticator.confirm('d', good)).toMatchObject({ outcome: 'deny', code, reason });
    expect(doors.cache.size).toBe(0);
  });
});

test('a confirmation is remembered per deployment, a refusal never', async () => {
  const doors = openDoors();
  expect(await doors.authenticator.confirm('d', good)).toMatchObject({ cached: false });
  expect(await doors.authenticator.confirm('d', good)).toMatchObject({ cached: true });
  expect(doors.asked).toBe(1);
  await doors.authenticator.confirm('e', good);
  expect(doors.asked).toBe(2);
  await doors.authenticator.confirm('d', bad);
  await doors.authenticator.confirm('d', bad);
  expect(doors.asked).toBe(4);
});

test('a confirmation ends with its time', async () => {
  const doors = openDoors();
  await doors.authenticator.confirm('d', good);
  doors.clock.advance(28_800_000);
  await doors.authenticator.confirm('d', good);
  expect(doors.asked).toBe(2);
});

test('equal questions at once are one question', async () => {
  const doors = openDoors();
  const { promise, resolve } = Promise.withResolvers<void>();
  doors.gate = promise;
  const answers = [1, 2, 3].map(() => doors.authenticator.confirm('d', good));
  resolve();
  expect((await Promise.all(answers)).map((answer) => 'cached' in answer && answer.cached)).toEqual([
    false,
    true,
    true,
  ]);
  expect(doors.asked).toBe(1);
});

describe('rate control', () => {
  test('the ninth sign-in of a period waits for the next, cached or not', async () => {
    const doors = openDoors();
    doors.clock.setWall(Date.UTC(2026, 0, 1) + 10_000);
    for (let i = 0; i < 8; i++) {
      expect(await doors.authenticator.signIn('d', good)).toMatchObject({ outcome: 'account' });
    }
    const limited = { code: 429, reason: 'rate', retryAfterS: 290 };
    expect(await doors.authenticator.signIn('d', good)).toMatchObject(limited);
    expect(await doors.authenticator.signIn('d', { ...good, user: 'ALICE' })).toMatchObject({ code: 429 });
    expect(await doors.authenticator.signIn('d', { user: 'bob', password: 'builder' })).toMatchObject({
      cached: false,
    });
    doors.clock.advance(290_000);
    expect(await doors.authenticator.signIn('d', good)).toMatchObject({ outcome: 'account' });
  });

  test('guesses sent at once are counted before the next is asked', async () => {
    const doors = openDoors({ maxWaitingPerUser: 100 });
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        doors.authenticator.confirm('d', { user: 'alice', password: `${i}` }),
      ),
    );
    expect(doors.asked).toBe(8);
    expect(answers.filter((answer) => answer.outcome === 'deny' && answer.code === 429)).toHaveLength(42);
  });

  test('a request with confirmed credentials neither counts nor is refused', async () => {
    const doors = openDoors();
    for (let i = 0; i < 20; i++)
      expect(await doors.authenticator.confirm('d', good)).toMatchObject({ outcome: 'account' });
    for (let i = 0; i < 20; i++) await doors.authenticator.confirm('d', bad);
    expect(await doors.authenticator.confirm('d', good)).toMatchObject({ outcome: 'account', cached: true });
    expect(await doors.authenticator.confirm('d', bad)).toMatchObject({ code: 429 });
  });

  test('an outage does not use up the sign-ins', async () => {
    const doors = openDoors();
    doors.answer = { kind: 'unreachable', cause: 'down' };
    for (let i = 0; i < 20; i++)
      expect(await doors.authenticator.signIn('d', good)).toMatchObject({ code: 503 });
    doors.answer = undefined;
    expect(await doors.authenticator.signIn('d', good)).toMatchObject({ outcome: 'account' });
  });

  test('zero switches it off', async () => {
    const doors = openDoors({ maxLogins: 0 });
    for (let i = 0; i < 100; i++) await doors.authenticator.confirm('d', bad);
    expect(doors.asked).toBe(100);
  });
});

describe('bounds', () => {
  test('more waiting for one user than fit are refused', async () => {
    const doors = openDoors({ maxWaitingPerUser: 2 });
    const { promise, resolve } = Promise.withResolvers<void>();
    doors.gate = promise;
    const answers = Array.from({ length: 5 }, () => doors.authenticator.confirm('d', good));
    resolve();
    const outcomes = (await Promise.all(answers)).map((answer) =>
      answer.outcome === 'deny' ? answer.reason : 'ok',
    );
    expect(outcomes).toEqual(['ok', 'ok', 'ok', 'busy', 'busy']);
    expect(await doors.authenticator.confirm('d', good)).toMatchObject({ outcome: 'account' });
  });

  test('more users at once than fit are refused', async () => {
    const doors = openDoors({ maxUsersAtOnce: 1 });
    const { promise, resolve } = Promise.withResolvers<void>();
    doors.gate = promise;
    const first = doors.authenticator.confirm('d', good);
    expect(await doors.authenticator.confirm('d', { user: 'bob', password: 'x' })).toMatchObject({
      reason: 'busy',
    });
    resolve();
    await first;
    expect(await doors.authenticator.confirm('d', { user: 'bob', password: 'builder' })).toMatchObject({
      outcome: 'account',
    });
  });
});

test('without its store nobody gets in by password, and it is counted', async () => {
  const broken = () => Promise.reject(new Error('disk full'));
  const doors = openDoors({ store: { get: broken, set: broken, increment: broken } });
  expect(await doors.authenticator.signIn('d', good)).toMatchObject({
    code: 503,
    reason: 'store-unavailable',
  });
  expect(doors.counted).toContain('store-failed');
});
