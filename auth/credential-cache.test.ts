import { beforeEach, describe, expect, test } from 'vitest';
import { createCredentialCache, type CredentialCache } from './credential-cache.ts';

let now = 0;
let counted: string[] = [];
let cache: CredentialCache;
const account = { user: 'alice', homeCluster: 'c1' };
const key = (user: string, password: string, deployment = 'd'): string =>
  cache.key(deployment, { user, password });

beforeEach(() => {
  now = 0;
  counted = [];
  const count = (event: string): void => void counted.push(event);
  cache = createCredentialCache({ ttlMs: 1000, cleanupMs: 1500, maxEntries: 3, now: () => now, count });
});

describe('keys', () => {
  test('same for the same credentials, whatever the case of the user', () => {
    expect(key('Alice', 'x')).toBe(key('alice', 'x'));
  });
  test.each([
    ['password', 'alice', 'y', 'd'],
    ['case of the password', 'alice', 'X', 'd'],
    ['user', 'bob', 'x', 'd'],
    ['deployment', 'alice', 'x', 'e'],
    ['a shifted border', 'alicex', '', 'd'],
  ])('another for another %s', (_name, user, password, deployment) => {
    expect(key(user, password, deployment)).not.toBe(key('alice', 'x'));
  });
  test('does not hold the password', () => {
    expect(key('alice', 'secret')).not.toContain('secret');
  });
  test('differs from process to process', () => {
    const other = createCredentialCache({
      ttlMs: 1,
      cleanupMs: 1,
      maxEntries: 1,
      now: () => 0,
      count: () => undefined,
    });
    expect(other.key('d', { user: 'alice', password: 'x' })).not.toBe(key('alice', 'x'));
  });
});

test('a confirmation counts until its end', () => {
  cache.set(key('alice', 'x'), account);
  now = 999;
  expect(cache.get(key('alice', 'x'))).toBe(account);
  now = 1000;
  expect(cache.get(key('alice', 'x'))).toBeUndefined();
  expect(cache.size).toBe(0);
});

test('reading does not prolong it', () => {
  cache.set(key('alice', 'x'), account);
  for (now = 100; now < 1000; now += 100) expect(cache.get(key('alice', 'x'))).toBe(account);
  expect(cache.get(key('alice', 'x'))).toBeUndefined();
});

test('when full, the least recently used goes and is counted', () => {
  for (const user of ['a', 'b', 'c']) cache.set(key(user, 'x'), { user, homeCluster: 'c1' });
  cache.get(key('a', 'x'));
  cache.set(key('d', 'x'), { user: 'd', homeCluster: 'c1' });
  expect(cache.size).toBe(3);
  expect(cache.get(key('b', 'x'))).toBeUndefined();
  expect(cache.get(key('a', 'x'))).toBeDefined();
  expect(counted).toEqual(['credential-cache-full']);
});

test('expired entries are thrown away at the clean-up', () => {
  cache.set(key('a', 'x'), account);
  cache.set(key('b', 'x'), account);
  now = 1500;
  cache.set(key('c', 'x'), account);
  expect(cache.size).toBe(1);
});

test("forgetting a user's confirmations leaves those of others", () => {
  cache.set(key('alice', 'x'), account);
  cache.set(key('bob', 'x'), { user: 'bob', homeCluster: 'c1' });
  cache.forget('ALICE');
  expect(cache.get(key('alice', 'x'))).toBeUndefined();
  expect(cache.get(key('bob', 'x'))).toBeDefined();
});
