import { beforeEach, describe, expect, test } from 'vitest';
import { createMemoryStore } from '../../zones/store/memory-store.ts';
import type { Store } from '../../zones/store/store.ts';
import { ManualClock } from '../../zones/test-clock.ts';
import { createSharedCounters } from './ban-counters.ts';
import { type BanList, createBanList } from './ban-list.ts';
import { type BanStore, keepBans, printKeptBan, readKeptBan } from './kept-bans.ts';
import type { Offender } from './offender.ts';

let clock: ManualClock;
let counted: string[];
let failures: unknown[];
beforeEach(() => {
  clock = new ManualClock();
  counted = [];
  failures = [];
});
const count = (event: string, reason = ''): void => void counted.push(`${event} ${reason}`.trim());
const onFailure = (error: unknown): void => void failures.push(error);
const alice: Offender = { kind: 'user', deployment: 'd', user: 'alice', address: '192.0.2.7' };
const at = (address: string): Offender => ({ kind: 'address', address });
const settled = () => new Promise((resolve) => setImmediate(resolve));

const memory = (): Store =>
  createMemoryStore({ journal: undefined, sweepMs: 1000, clock, count, onHealth: () => undefined });
const spaceOf = (store: Store, name: string) =>
  store.namespace(name, { maxEntries: 100, maxEntryLength: 2048, whenFull: 'evict', durable: true });

/** One core of a cluster. */
async function openCore(
  bansStore: BanStore,
  counters: Parameters<typeof createSharedCounters>[0],
): Promise<BanList> {
  const now = clock.wall;
  const list = createBanList({
    categories: new Map([['http-auth', { triggerLevel: 3, windowMs: 60_000, blockMs: 600_000 }]]),
    exempt: [],
    maxBans: 5,
    maxCounters: 5,
    maxHistory: 5,
    counters: createSharedCounters(counters, { maxCounters: 5, now, count, onFailure }),
    now,
    count,
    onBan: () => undefined,
  });
  await keepBans(list, { store: bansStore, now, count, onFailure });
  return list;
}
const openOn = (store: Store): Promise<BanList> =>
  openCore(spaceOf(store, 'bans'), spaceOf(store, 'counters'));

describe('with a store that works', () => {
  test('failures at two cores add up, and both keep the offender out', async () => {
    const store = memory();
    const [first, second] = [await openOn(store), await openOn(store)];
    first.note('http-auth', alice);
    second.note('http-auth', alice);
    first.note('http-auth', alice);
    await settled();
    expect([first.find(alice), second.find(alice)]).toMatchObject([{ failures: 3 }, { failures: 3 }]);
    second.unblock('user:d:alice@192.0.2.7');
    await settled();
    expect(first.find(alice)).toBeUndefined();
  });

  test('a restart forgets neither bans nor how far it had come, and prolongs none', async () => {
    const store = memory();
    const before = await openOn(store);
    for (let i = 0; i < 3; i += 1) before.note('http-auth', at('192.0.2.1'));
    before.note('http-auth', at('192.0.2.2'));
    before.note('http-auth', at('192.0.2.2'));
    await settled();
    clock.advance(30_000);
    const after = await openOn(store);
    expect(after.list()).toEqual(before.list());
    after.note('http-auth', at('192.0.2.2'));
    await settled();
    expect(after.find(at('192.0.2.2'))).toBeDefined();
    clock.advance(570_000);
    expect(after.find(at('192.0.2.1'))).toBeUndefined();
    expect(await spaceOf(store, 'bans').entries()).toHaveLength(1);
  });

  test('bounded here and there', async () => {
    const store = memory();
    const list = await openOn(store);
    for (let i = 0; i < 9; i += 1) for (let j = 0; j < 3; j += 1) list.note('http-auth', at(`192.0.2.${i}`));
    await settled();
    expect(list.list()).toHaveLength(5);
    expect(await spaceOf(store, 'bans').entries()).toHaveLength(5);
  });
});

describe('with a store that is down', () => {
  const down = (): Promise<never> => Promise.reject(new Error('connection refused'));
  const broken = { set: down, delete: down, entries: down, increment: down, watch: () => () => undefined };

  test('failures are counted here, who fails is out, and the operator hears why it is not shared', async () => {
    const list = await openCore(broken, broken);
    for (let i = 0; i < 3; i += 1) list.note('http-auth', alice);
    await settled();
    expect(list.find(alice)).toBeDefined();
    expect(counted).toEqual(expect.arrayContaining(['ban-store-failed keep', 'ban-store-failed count']));
    expect(String(failures[0])).toContain('connection refused');
  });

  test('who was out stays out', async () => {
    const store = memory();
    const works = spaceOf(store, 'bans');
    const list = await openCore({ ...broken, entries: () => works.entries() }, broken);
    expect(list.list()).toEqual([]);
    const other = await openOn(store);
    for (let i = 0; i < 3; i += 1) other.note('http-auth', alice);
    await settled();
    const again = await openCore({ ...broken, entries: () => works.entries() }, broken);
    expect(again.find(alice)).toBeDefined();
  });
});

const ban = { category: 'http-auth', since: 1, until: 2, failures: 3 };
test.each([
  ['an address', { ...ban, id: 'address:192.0.2.1', offender: at('192.0.2.1'), source: 'edge' }],
  ['a user', { ...ban, id: 'user:d:alice@192.0.2.7', offender: alice }],
  ['a device', { ...ban, id: 'device:e:1', offender: { kind: 'device', edge: 'e', device: '1' } as const }],
])('%s is written and read back', (_name, value) => expect(readKeptBan(printKeptBan(value))).toEqual(value));

test.each(['', '{}', '[]', 'null', '[{"kind":"all"},"x",1,2,3]', '[{"kind":"address"},"x",1,2,3]'])(
  'no ban is read from %s',
  (text) => expect(readKeptBan(text)).toBeUndefined(),
);
