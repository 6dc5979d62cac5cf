import * as fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../zones/test-clock.ts';
import { type BanList, type BanListOptions, createBanList } from './ban-list.ts';
import { type Offender, offenderId } from './offender.ts';

let clock: ManualClock;
let told: string[];
let counted: string[];
let bans: BanList;
const rule = { triggerLevel: 3, windowMs: 60_000, blockMs: 600_000 };
const at = (address: string): Offender => ({ kind: 'address', address });
const alice = (address = '198.51.100.7'): Offender => ({
  kind: 'user',
  deployment: 'd',
  user: 'Alice',
  address,
});

function open(change: Partial<BanListOptions> = {}): BanList {
  return createBanList({
    categories: new Map([
      ['http-auth', rule],
      ['http-protocol', { ...rule, triggerLevel: 1 }],
    ]),
    exempt: [
      { network: '10.0.0.0/8', categories: 'all' },
      { network: '203.0.113.5', categories: ['http-auth'] },
      { network: '2001:db8:1::/48', categories: 'all' },
    ],
    maxBans: 3,
    maxCounters: 3,
    maxHistory: 2,
    now: clock.wall,
    count: (event, reason = '') => counted.push(`${event} ${reason}`.trim()),
    onBan: ({ id }) => told.push(id),
    ...change,
  });
}

beforeEach(() => {
  clock = new ManualClock();
  told = [];
  counted = [];
  bans = open();
});

const fail = (offender: Offender, times: number, category = 'http-auth'): void => {
  for (let i = 0; i < times; i += 1) bans.note(category, offender);
};

describe('shut out', () => {
  test('at the trigger level, not before, and told once', () => {
    fail(at('192.0.2.1'), 2);
    expect(bans.find(at('192.0.2.1'))).toBeUndefined();
    fail(at('192.0.2.1'), 1);
    expect(bans.find(at('192.0.2.1'))).toMatchObject({ category: 'http-auth', failures: 3 });
    expect(told).toEqual(['address:192.0.2.1']);
  });

  test('failures spread over more than a window do not add up', () => {
    fail(at('192.0.2.1'), 2);
    clock.advance(60_000);
    fail(at('192.0.2.1'), 2);
    expect(bans.list()).toEqual([]);
  });

  test('categories are counted apart, and one that is off counts nothing', () => {
    fail(at('192.0.2.1'), 2);
    fail(at('192.0.2.1'), 5, 'http-access');
    expect(bans.list()).toEqual([]);
    expect(bans.stats().map(({ category, failures }) => [category, failures])).toEqual([
      ['http-auth', 2],
      ['http-protocol', 0],
    ]);
  });

  test('until the time is over; then it is history', () => {
    fail(at('192.0.2.1'), 3);
    clock.advance(599_999);
    expect(bans.find(at('192.0.2.1'))).toBeDefined();
    clock.advance(1);
    expect(bans.find(at('192.0.2.1'))).toBeUndefined();
    expect(bans.history()).toMatchObject([{ by: 'time', ban: { id: 'address:192.0.2.1' } }]);
  });

  test('or until an operator lets it in', () => {
    fail(at('192.0.2.1'), 3);
    expect(bans.unblock('address:192.0.2.1')).toBe(true);
    expect(bans.unblock('address:192.0.2.1')).toBe(false);
    expect(bans.history()[0]?.by).toBe('operator');
  });
});

describe('nobody else', () => {
  test('one user behind a NAT does not shut out the office', () => {
    fail(alice(), 3);
    expect(bans.find(alice())).toBeDefined();
    expect(bans.find(at('198.51.100.7'))).toBeUndefined();
    expect(bans.find({ ...alice(), user: 'bob' } as Offender)).toBeUndefined();
  });

  test('a stranger elsewhere does not lock a user out', () => {
    fail(alice('192.0.2.66'), 3);
    expect(bans.find(alice())).toBeUndefined();
  });

  test.each([
    ['an exempt network', at('10.1.2.3'), 'http-auth'],
    ['a user in an exempt network', alice('10.1.2.3'), 'http-auth'],
    ['an exempt network, seen by a socket of both families', at('::ffff:10.1.2.3'), 'http-auth'],
    ['an exempt IPv6 network', at('2001:db8:1:2::9'), 'http-protocol'],
    ['an address exempt from this category', at('203.0.113.5'), 'http-auth'],
    ['what is no address', at(''), 'http-protocol'],
  ])('%s is never shut out', (_name, offender, category) => {
    fail(offender, 9, category);
    expect(bans.list()).toEqual([]);
    const until = clock.wall() + 1000;
    expect(
      bans.adopt({ id: offenderId(offender), offender, category, since: 0, until, failures: 9 }, 'peer'),
    ).toBe(false);
  });

  test('an exemption from one category is none from another', () => {
    fail(at('203.0.113.5'), 1, 'http-protocol');
    expect(bans.find(at('203.0.113.5'))).toBeDefined();
  });
});

test.each([
  ['2001:db8::1', '2001:db8:0:0:ffff::2', true],
  ['2001:db8::1', '2001:db8:0:1::1', false],
  ['::1', '::2', true],
  ['::ffff:192.0.2.1', '192.0.2.1', true],
  ['::ffff:192.0.2.1', '::ffff:192.0.2.2', false],
  ['192.0.2.1', '192.0.2.2', false],
])('%s and %s are one offender: %s', (a, b, same) => {
  expect(offenderId(at(a)) === offenderId(at(b))).toBe(same);
});

test('a ban decided elsewhere is taken over until its end', () => {
  const offender = at('192.0.2.9');
  const ban = {
    id: offenderId(offender),
    offender,
    category: 'http-auth',
    since: 0,
    until: clock.wall() + 500,
    failures: 5,
  };
  expect(bans.adopt(ban, 'peer')).toBe(true);
  expect(bans.find(offender)).toBeDefined();
  clock.advance(500);
  expect(bans.find(offender)).toBeUndefined();
  expect(bans.adopt(ban, 'peer')).toBe(false);
});

test('bans, counters and history are bounded', () => {
  for (let i = 1; i <= 6; i += 1) fail(at(`192.0.2.${i}`), 1, 'http-protocol');
  expect(bans.list()).toHaveLength(3);
  expect(bans.history()).toHaveLength(2);
  for (let i = 1; i <= 6; i += 1) fail(at(`192.0.2.${i}`), 1);
  expect(counted.filter((event) => event === 'bans-full')).toHaveLength(3);
  expect(counted.filter((event) => event === 'ban-counters-full')).toHaveLength(3);
});

test('any address is counted or left alone, never thrown at', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6()), (address) => {
      bans.note('http-protocol', at(address));
      bans.find(at(address));
    }),
  );
});
