import { beforeEach, describe, expect, test } from 'vitest';
import { type BanList, createBanList } from '../../auth/index.ts';
import { ManualClock } from '../../zones/test-clock.ts';
import { printChanges, printReset } from './nft-commands.ts';
import { PacketFilter } from './packet-filter.ts';
import type { NftResult } from './run-nft.ts';

const sets = { table: 't', set: 'v4', set6: 'v6' };
let clock: ManualClock;
let list: BanList;
let ran: string[];
let said: string[];
let answer: NftResult;
let filter: PacketFilter;

const settled = () => new Promise((resolve) => setImmediate(resolve));
const ban = (address: string): void => list.note('http-protocol', { kind: 'address', address });

beforeEach(() => {
  clock = new ManualClock();
  ran = [];
  said = [];
  answer = { ok: true };
  const count = (event: string): void => void said.push(event);
  list = createBanList({
    categories: new Map([['http-protocol', { triggerLevel: 1, windowMs: 60_000, blockMs: 600_000 }]]),
    exempt: [],
    maxBans: 100,
    maxCounters: 100,
    maxHistory: 100,
    now: clock.wall,
    count: () => undefined,
    onBan: () => undefined,
  });
  filter = new PacketFilter({
    sets,
    list,
    run: (input) => Promise.resolve().then(() => (ran.push(input), answer)),
    maxBatch: 2,
    maxWaiting: 5,
    refreshMs: 60_000,
    retryMs: 30_000,
    now: clock.wall,
    after: (ms, run) => clock.after(ms, run),
    log: {
      info: (_fields, text) => void said.push(text),
      error: (fields, text) => void said.push(text, JSON.stringify(fields)),
    },
    count,
  });
});

/** `+address seconds` and `-address` of each transaction. */
function changes(): string[][] {
  return ran.map((input) => {
    const { nftables } = JSON.parse(input) as {
      nftables: Record<string, { element?: { elem: unknown[] } }>[];
    };
    return nftables.flatMap((command) => {
      if ('flush' in command) return ['flush'];
      const [elem] = command['add']?.element?.elem ?? [];
      if (typeof elem !== 'object' || elem === null || !('elem' in elem)) return [];
      const { val, timeout } = elem.elem as { val: unknown; timeout: number };
      return [`+${typeof val === 'string' ? val : JSON.stringify(val)} ${timeout}`];
    });
  });
}

describe('the sets follow the list', () => {
  test('from nothing: what an earlier process left is emptied, then all that are out, in batches', async () => {
    for (const end of [1, 2, 3]) ban(`192.0.2.${end}`);
    await filter.open();
    expect(changes()).toEqual([['flush', 'flush'], ['+192.0.2.1 600', '+192.0.2.2 600'], ['+192.0.2.3 600']]);
  });

  test('a new ban, one that is lifted, and one that ends by itself', async () => {
    await filter.open();
    ran.length = 0;
    ban('192.0.2.1');
    await settled();
    list.unblock('address:192.0.2.1');
    await settled();
    expect(ran).toEqual([
      printChanges(sets, [{ address: '192.0.2.1', leftMs: 600_000 }], []),
      printChanges(sets, [], ['192.0.2.1']),
    ]);
    ban('192.0.2.2');
    await settled();
    ran.length = 0;
    clock.advance(59_000);
    list.list();
    await settled();
    expect(ran).toEqual([]);
  });

  test('an office stays in when a user at its address is out', async () => {
    await filter.open();
    ran.length = 0;
    list.note('http-protocol', { kind: 'user', deployment: 'd', user: 'alice', address: '192.0.2.1' });
    list.note('http-protocol', { kind: 'device', edge: 'e', device: '1' });
    await settled();
    expect(ran).toEqual([]);
  });

  test('a firewall that was reloaded is filled again', async () => {
    ban('192.0.2.1');
    await filter.open();
    ran.length = 0;
    clock.advance(60_000);
    await settled();
    expect(changes()).toEqual([['flush', 'flush'], ['+192.0.2.1 540']]);
  });

  test('too many changes at once are written anew', async () => {
    await filter.open();
    ran.length = 0;
    for (let i = 0; i < 20; i += 1) ban(`192.0.2.${i}`);
    await settled();
    await settled();
    clock.advance(60_000);
    await settled();
    expect(said).toContain('packet-filter-behind');
    const added = new Set(
      changes()
        .flat()
        .filter((text) => text.startsWith('+'))
        .map((text) => text.split(' ')[0]),
    );
    expect(added.size).toBe(20);
  });
});

describe('a filter that cannot be changed', () => {
  test('is told once, tried again, and filled when it works', async () => {
    answer = { ok: false, words: 'no right' };
    await filter.open();
    for (const end of [1, 2]) ban(`192.0.2.${end}`);
    await settled();
    clock.advance(30_000);
    await settled();
    expect(ran).toHaveLength(2);
    expect(filter.health()).toBe('no right');
    expect(said.filter((text) => text.includes('by edge alone'))).toHaveLength(1);
    answer = { ok: true };
    clock.advance(30_000);
    await settled();
    expect(filter.health()).toBe('');
    expect(changes().at(-1)).toEqual(['+192.0.2.1 540', '+192.0.2.2 540']);
  });

  test('after the end nothing is run', async () => {
    await filter.open();
    await filter.close();
    ran.length = 0;
    ban('192.0.2.1');
    clock.advance(60_000);
    await settled();
    expect(ran).toEqual([]);
  });
});

test.each([
  ['192.0.2.1', 'v4', '192.0.2.1'],
  ['2001:db8::1', 'v6', { prefix: { addr: '2001:db8:0:0::', len: 64 } }],
  ['2001:DB8:1:2:3:4:5:6', 'v6', { prefix: { addr: '2001:db8:1:2::', len: 64 } }],
  ['::1', 'v6', { prefix: { addr: '0:0:0:0::', len: 64 } }],
])('%s goes into %s', (address, name, val) => {
  const { nftables } = JSON.parse(printChanges(sets, [{ address, leftMs: 1_500 }], [])) as {
    nftables: unknown[];
  };
  expect(nftables[2]).toEqual({
    add: { element: { family: 'inet', table: 't', name, elem: [{ elem: { val, timeout: 2 } }] } },
  });
});

test.each(['edge', 'fe80::1%eth0', '192.0.2.1; flush ruleset'])('%s never reaches the program', (address) =>
  expect(() => printChanges(sets, [{ address, leftMs: 1 }], [])).toThrow(TypeError),
);

test('a reset makes and empties, and touches nothing else', () => {
  const { nftables } = JSON.parse(printReset(sets)) as { nftables: object[] };
  expect(nftables.map((command) => Object.keys(command)[0])).toEqual(['add', 'add', 'add', 'flush', 'flush']);
  expect(
    nftables
      .filter((command) => 'flush' in command)
      .every((command) => JSON.stringify(command).includes('"set"')),
  ).toBe(true);
});
