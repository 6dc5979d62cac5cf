// The embedded store: what it keeps, for how long, what it refuses, and that neither a full disk nor a damaged file
// stops it.
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../test-clock.ts';
import { ExpiryHeap } from './expiry-heap.ts';
import { createMemoryStore } from './memory-store.ts';
import type { SpaceOptions, Store, StoreChange } from './store.ts';

const SPACE: SpaceOptions = { maxEntries: 3, maxEntryLength: 100, whenFull: 'refuse', durable: true };
let clock: ManualClock;
let folder: string;
const stores: Store[] = [];
const health: string[] = [];

beforeEach(() => {
  clock = new ManualClock();
  folder = mkdtempSync(path.join(tmpdir(), 'viaduct-store-'));
  health.length = 0;
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  rmSync(folder, { recursive: true });
  expect(clock.pending).toBe(0);
});

function open(file?: string): Store {
  const journal = file === undefined ? undefined : { file, flushMs: 100, maxBatch: 2, retryMs: 1000 };
  const store = createMemoryStore({
    journal,
    sweepMs: 1000,
    clock,
    count: () => {},
    onHealth: (words) => health.push(words),
  });
  stores.push(store);
  return store;
}

describe('a space', () => {
  it('forgets at the end of the time to live, not before', async () => {
    const space = open().namespace('a', SPACE);
    await space.set('k', 'v', 1000);
    clock.advance(999);
    expect(await space.get('k')).toBe('v');
    clock.advance(1);
    expect(await space.get('k')).toBeUndefined();
  });

  it('hands an entry to one taker only', async () => {
    const space = open().namespace('a', SPACE);
    await space.set('code', 'user', 1000);
    expect(await Promise.all([space.take('code'), space.take('code')])).toEqual(['user', undefined]);
  });

  it('adds once: the replay check', async () => {
    const space = open().namespace('a', SPACE);
    expect(await Promise.all([space.add('jti', '', 1000), space.add('jti', '', 1000)])).toEqual([
      true,
      false,
    ]);
    clock.advance(1000);
    expect(await space.add('jti', '', 1000)).toBe(true);
  });

  it('counts from the first increment and ends with it, however often it is counted', async () => {
    const space = open().namespace('a', SPACE);
    expect(await space.increment('ip', 1000)).toBe(1);
    clock.advance(900);
    expect(await space.increment('ip', 1000)).toBe(2);
    clock.advance(100);
    expect(await space.increment('ip', 1000)).toBe(1);
  });

  it.each([
    { whenFull: 'refuse', fourth: 'full', left: ['a', 'b', 'c'] },
    { whenFull: 'evict', fourth: 'kept', left: ['a', 'c', 'd'] },
  ] as const)('when full and told to $whenFull', async ({ whenFull, fourth, left }) => {
    const space = open().namespace('a', { ...SPACE, whenFull });
    await space.set('a', '', 3000);
    await space.set('b', '', 1000);
    await space.set('c', '', 2000);
    const outcome = await space.set('d', '', 4000).then(
      () => 'kept',
      (error: { code: string }) => error.code,
    );
    expect(outcome).toBe(fourth);
    expect((await space.entries()).map(([key]) => key)).toEqual(left);
  });

  it('makes room from what has ended before it refuses', async () => {
    const space = open().namespace('a', SPACE);
    for (const key of ['a', 'b', 'c']) await space.set(key, '', 100);
    clock.advance(100);
    await space.set('d', '', 100);
    expect(space.size()).toBe(1);
  });

  it('refuses an entry that is too large', async () => {
    const space = open().namespace('a', SPACE);
    await expect(space.set('k', 'x'.repeat(100), 1000)).rejects.toMatchObject({ code: 'too-large' });
  });

  it('tells watchers what happened, by prefix', async () => {
    const space = open().namespace('a', SPACE);
    const seen: StoreChange[] = [];
    const stop = space.watch('x/', (change) => seen.push(change));
    await space.set('x/1', 'v', 500);
    await space.set('y/1', 'v', 500);
    clock.advance(1000);
    stop();
    await space.set('x/2', 'v', 500);
    expect(seen).toEqual([
      { key: 'x/1', value: 'v', why: 'set' },
      { key: 'x/1', value: undefined, why: 'expired' },
    ]);
  });

  it('leases to one owner at a time, and its fence grows with each change of hands', async () => {
    const space = open().namespace('a', SPACE);
    const first = await space.lease('call', 'core-1', 1000);
    expect(await space.lease('call', 'core-2', 1000)).toEqual(first);
    expect(await space.lease('call', 'core-1', 1000)).toEqual(first);
    clock.advance(1000);
    const second = await space.lease('call', 'core-2', 1000);
    expect(second.owner).toBe('core-2');
    expect(second.fence).toBeGreaterThan(first.fence);
  });
});

describe('the journal', () => {
  const reopen = async (file: string): Promise<Store> => {
    await stores.pop()?.close();
    return open(file);
  };

  it('brings durable entries back with what is left of their life, and nothing else', async () => {
    const file = path.join(folder, 'state.db');
    const before = open(file);
    await before.namespace('kept', SPACE).set('long', 'v', 10_000);
    await before.namespace('kept', SPACE).set('short', 'v', 2000);
    await before.namespace('kept', SPACE).set('gone', 'v', 10_000);
    await before.namespace('kept', SPACE).delete('gone');
    await before.namespace('not', { ...SPACE, durable: false }).set('k', 'v', 10_000);
    clock.advance(100);
    await before.close();
    stores.pop();
    clock.advance(5000);
    const after = open(file);
    expect(await after.namespace('kept', SPACE).entries()).toEqual([['long', 'v']]);
    expect(await after.namespace('not', { ...SPACE, durable: false }).entries()).toEqual([]);
    clock.advance(4900);
    expect(await after.namespace('kept', SPACE).get('long')).toBeUndefined();
  });

  it('is readable by its owner only', () => {
    open(path.join(folder, 'state.db'));
    for (const name of readdirSync(folder)) expect(statSync(path.join(folder, name)).mode & 0o077).toBe(0);
  });

  it('does not prolong a life when the clock was set back', async () => {
    const file = path.join(folder, 'state.db');
    await open(file).namespace('a', SPACE).set('k', 'v', 1000);
    await stores.pop()?.close();
    clock.setWall(clock.wall() - 86_400_000);
    const space = open(file).namespace('a', SPACE);
    clock.advance(1000);
    expect(await space.get('k')).toBeUndefined();
  });

  it('sets a damaged file aside, says so and goes on', async () => {
    const file = path.join(folder, 'state.db');
    writeFileSync(file, 'this is no database, and long enough to be read as a header. '.repeat(100));
    const space = open(file).namespace('a', SPACE);
    await space.set('k', 'v', 10_000);
    expect(health).toEqual([expect.stringContaining('damaged')]);
    expect(readdirSync(folder).some((name) => name.includes('.damaged-'))).toBe(true);
    const again = await reopen(file);
    expect(await again.namespace('a', SPACE).get('k')).toBe('v');
  });

  it('goes on in memory where it cannot write, and saves everything once it can', async () => {
    const file = path.join(folder, 'missing', 'state.db');
    const store = open(file);
    const space = store.namespace('a', SPACE);
    await space.set('early', 'v', 60_000);
    expect(store.health()).toContain('state is not being saved');
    mkdirSync(path.dirname(file));
    clock.advance(1000);
    expect(store.health()).toBe('');
    await space.set('late', 'v', 60_000);
    const again = await reopen(file);
    expect((await again.namespace('a', SPACE).entries()).map(([key]) => key).sort()).toEqual([
      'early',
      'late',
    ]);
  });

  it('reports a file that turns read-only under it and keeps serving', async () => {
    const file = path.join(folder, 'state.db');
    const store = open(file);
    const space = store.namespace('a', SPACE);
    await space.set('k', 'v', 60_000);
    clock.advance(100);
    // stands for a full disk: the table can no longer be written, whoever runs the test
    const { DatabaseSync } = await import('node:sqlite');
    const other = new DatabaseSync(file);
    other.exec("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(ABORT, 'disk full'); END");
    await space.set('k2', 'v', 60_000);
    clock.advance(100);
    expect(store.health()).toContain('disk full');
    expect(await space.get('k2')).toBe('v');
    other.exec('DROP TRIGGER full');
    other.close();
    clock.advance(1000);
    expect(store.health()).toBe('');
    chmodSync(file, 0o600);
    expect((await (await reopen(file)).namespace('a', SPACE).entries()).length).toBe(2);
  });
});

describe('the expiry heap', () => {
  it('gives back in order of deadline', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 1000 })), (deadlines) => {
        const heap = new ExpiryHeap();
        deadlines.forEach((deadline, version) => heap.add({ key: String(version), deadline, version }));
        const out = deadlines.map(() => heap.pop()?.deadline);
        expect(out).toEqual(deadlines.toSorted((a, b) => a - b));
        expect(heap.pop()).toBeUndefined();
      }),
    );
  });
});
