// Simple tokens by themselves: what the store sees, how many there may be, and a store that fails.
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createMemoryStore } from '../../zones/store/memory-store.ts';
import { ManualClock } from '../../zones/test-clock.ts';
import { createRevocations } from '../revocation.ts';
import { createSimpleTokens, isSimpleToken, type SimpleTokenStore } from './simple-tokens.ts';

const clock = new ManualClock();
const nothing = (): void => undefined;

function open(change: Partial<SimpleTokenStore> = {}) {
  const kept = createMemoryStore({
    journal: undefined,
    sweepMs: 60_000,
    clock,
    count: nothing,
    onHealth: nothing,
  });
  const space = kept.namespace('t', {
    maxEntries: 50,
    maxEntryLength: 4000,
    whenFull: 'refuse',
    durable: false,
  });
  const store: SimpleTokenStore = {
    get: (key) => space.get(key),
    set: (key, value, ttlMs) => space.set(key, value, ttlMs),
    delete: (key) => space.delete(key),
    entries: (prefix) => space.entries(prefix),
    ...change,
  };
  const counted: string[] = [];
  const revocations = createRevocations({
    store: space,
    refreshMs: 1,
    keepMs: 1000,
    maxUsers: 10,
    now: clock.wall,
  });
  const tokens = createSimpleTokens({
    store,
    revocations,
    lifetimeMs: 3_600_000,
    sipExtraMs: 0,
    maxPerUser: 3,
    now: clock.wall,
    randomBytes,
    count: (event) => void counted.push(event),
  });
  return { tokens, space, counted, revocations };
}

const grant = (deviceId: string, user = 'alice') => ({
  user,
  homeCluster: 'c1',
  deployment: 'd',
  clientId: 'C1',
  deviceId,
  endsAt: undefined,
});

test('the store knows a token by its hash, and a token is known by its form', async () => {
  const { tokens, space } = open();
  const { token } = await tokens.issue(grant('D1'));
  expect(isSimpleToken(token)).toBe(true);
  for (const other of ['', 'vst1_', `${token}x`, token.slice(1), 'a.b.c'])
    expect(isSimpleToken(other)).toBe(false);
  const [entry] = await space.entries();
  expect(JSON.stringify(entry)).not.toContain(token.slice(5));
  expect(await tokens.check('d', token, 'https')).toMatchObject({ user: 'alice', homeCluster: 'c1' });
  expect(await tokens.check('d', `${token.slice(0, -1)}-`, 'https')).toMatchObject({
    outcome: 'deny',
    code: 401,
  });
});

test('a user has so many: the oldest device goes; another user keeps theirs', async () => {
  const { tokens, counted } = open();
  const bob = await tokens.issue(grant('D1', 'bob'));
  const issued = [];
  for (const device of ['D1', 'D2', 'D3', 'D4']) {
    clock.advance(1);
    issued.push(await tokens.issue(grant(device)));
  }
  expect((await tokens.list('alice')).map(({ deviceId }) => deviceId)).toEqual(['D2', 'D3', 'D4']);
  expect(counted).toEqual(['simple-tokens-per-user']);
  expect(await tokens.check('d', issued[0]?.token ?? '', 'https')).toMatchObject({ reason: 'token-expired' });
  expect(await tokens.check('d', bob.token, 'https')).toMatchObject({ user: 'bob' });
  expect(await tokens.list()).toHaveLength(4);
});

test("the provider's session ends a token sooner", async () => {
  const { tokens } = open();
  const endsAt = clock.wall() + 60_000;
  const { token, expiresAt } = await tokens.issue({ ...grant('D1'), endsAt });
  expect(expiresAt).toBe(endsAt);
  clock.advance(60_000);
  expect(await tokens.check('d', token, 'https')).toMatchObject({ reason: 'token-expired' });
});

test('tokens of a revoked user are void, also where the store still has them', async () => {
  const { tokens, revocations } = open();
  const { token } = await tokens.issue(grant('D1'));
  clock.advance(10);
  await revocations.revoke('alice');
  expect(await tokens.check('d', token, 'https')).toMatchObject({ reason: 'token-revoked' });
});

test('a store that fails closes the door, and is no fault of the client', async () => {
  let isDown = false;
  const { tokens } = open({
    get: () => (isDown ? Promise.reject(new Error('store down')) : Promise.resolve(undefined)),
  });
  const { token } = await tokens.issue(grant('D1'));
  isDown = true;
  expect(await tokens.check('d', token, 'https')).toMatchObject({ code: 503, reason: 'store-unavailable' });
});
