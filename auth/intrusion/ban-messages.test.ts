import { beforeEach, describe, expect, test } from 'vitest';
import { ManualClock } from '../../zones/test-clock.ts';
import { type BanList, createBanList } from './ban-list.ts';
import {
  type BanChannel,
  coreBanHandlers,
  edgeBanHandlers,
  ownBans,
  printBans,
  reportToCores,
  sendBans,
  tellEdges,
} from './ban-messages.ts';
import type { Offender } from './offender.ts';

let clock: ManualClock;
let counted: string[];
beforeEach(() => {
  clock = new ManualClock();
  counted = [];
});
const count = (event: string, reason = ''): void => void counted.push(`${event} ${reason}`.trim());
const at = (address: string): Offender => ({ kind: 'address', address });

function open(exempt = '10.0.0.0/8'): BanList {
  return createBanList({
    categories: new Map([['http-auth', { triggerLevel: 1, windowMs: 60_000, blockMs: 600_000 }]]),
    exempt: [{ network: exempt, categories: 'all' }],
    maxBans: 1_000,
    maxCounters: 10,
    maxHistory: 10,
    now: clock.wall,
    count,
    onBan: () => undefined,
  });
}

/** A zone of two edges and a core, their control channels joined by calls. */
function openZone() {
  const core = open();
  const edges = { one: open(), two: open() };
  const toCore = coreBanHandlers(core, { now: clock.wall, maxPerEdge: 2, maxMs: 3_600_000, count });
  const channel = (name: string, handlers: Record<string, (body: unknown, from: BanChannel) => object>) => {
    const made: BanChannel = {
      peer: { name },
      request: (type, body) => Promise.resolve(handlers[type]?.(body, made)),
      notify: (type, body) => void handlers[type]?.(body, made),
    };
    return made;
  };
  const channels = Object.entries(edges).map(([name, list]) =>
    channel(name, edgeBanHandlers(list, clock.wall)),
  );
  tellEdges(core, () => channels, clock.wall);
  for (const [name, list] of Object.entries(edges))
    reportToCores(list, () => [channel(name, toCore)], clock.wall);
  return { core, ...edges, channels, toCore, channel };
}

describe('in a zone of two edges', () => {
  test("core's ban reaches both; letting in at core lets in at both", () => {
    const { core, one, two } = openZone();
    core.note('http-auth', at('192.0.2.1'));
    for (const edge of [one, two]) expect(edge.find(at('192.0.2.1'))?.source).toBe('core');
    core.unblock('address:192.0.2.1');
    for (const edge of [one, two]) expect(edge.find(at('192.0.2.1'))).toBeUndefined();
  });

  test("one edge's ban reaches the other through core, and is not told back", () => {
    const { core, one, two } = openZone();
    one.note('http-auth', at('192.0.2.2'));
    expect(core.get('address:192.0.2.2')?.source).toBe('one');
    expect(two.find(at('192.0.2.2'))).toBeDefined();
    expect(one.get('address:192.0.2.2')?.source).toBeUndefined();
    one.unblock('address:192.0.2.2');
    expect(core.list()).toEqual([]);
    expect(two.find(at('192.0.2.2'))).toBeUndefined();
  });

  test('an edge lets in nobody whom core or another edge keeps out', () => {
    const { core, one, toCore, channel } = openZone();
    core.note('http-auth', at('192.0.2.3'));
    one.note('http-auth', at('192.0.2.4'));
    const two = channel('two', toCore);
    for (const id of ['address:192.0.2.3', 'address:192.0.2.4', 'address:192.0.2.99'])
      expect(toCore['ban.lift']({ id }, two)).toEqual({ removed: false });
    expect(core.list()).toHaveLength(2);
  });

  test('a captured edge keeps out no more, and no longer, than core believes it', () => {
    const { core, toCore, channel } = openZone();
    const bans = ['192.0.2.1', '192.0.2.2', '192.0.2.3', '10.1.1.1'].map((address) => ({
      address,
      category: 'http-auth',
      leftMs: 30 * 86_400_000,
      failures: 9,
    }));
    expect(toCore['ban.report']({ bans }, channel('one', {}))).toEqual({ added: 2 });
    expect(core.list().every(({ until }) => until === clock.wall() + 3_600_000)).toBe(true);
    expect(counted).toContain('ban-report-refused edge-full');
    clock.advance(3_600_000);
    expect(core.list()).toEqual([]);
    expect(toCore['ban.report']({ bans: bans.slice(2) }, channel('one', {}))).toEqual({ added: 1 });
  });

  test('an edge that comes back is told everything; what it decided meanwhile is told to core', async () => {
    const { core, toCore, channel } = openZone();
    for (let i = 0; i < 900; i += 1) core.note('http-auth', at(`192.0.${2 + (i >> 8)}.${i & 255}`));
    const fresh = open();
    await sendBans(channel('one', edgeBanHandlers(fresh, clock.wall)), 'ban.add', core.list(), clock.wall);
    expect(fresh.list()).toHaveLength(900);
    fresh.note('http-auth', at('203.0.113.1'));
    await sendBans(channel('one', toCore), 'ban.report', ownBans(fresh), clock.wall);
    expect(core.list()).toHaveLength(901);
  });

  test('a link that ends while telling is no fault', async () => {
    const { core } = openZone();
    core.note('http-auth', at('192.0.2.1'));
    const gone: BanChannel = {
      peer: { name: 'one' },
      request: () => Promise.reject(new Error('closed')),
      notify: () => undefined,
    };
    await expect(sendBans(gone, 'ban.add', core.list(), clock.wall)).resolves.toBeUndefined();
  });
});

test('addresses only travel, with the time that is left', () => {
  const core = open();
  core.note('http-auth', at('192.0.2.9'));
  core.note('http-auth', { kind: 'user', deployment: 'd', user: 'alice', address: '192.0.2.9' });
  clock.advance(1000);
  const row = { address: '192.0.2.9', category: 'http-auth', leftMs: 599_000, failures: 1 };
  expect(printBans(core.list(), clock.wall())).toEqual([{ bans: [row] }]);
});

test("edge's own exemption holds against core's ban", () => {
  const edge = open('192.0.2.0/24');
  const bans = [{ address: '192.0.2.1', category: 'http-auth', leftMs: 1, failures: 1 }];
  expect(edgeBanHandlers(edge, clock.wall)['ban.add']({ bans })).toEqual({ added: 0 });
});

const many = Array.from({ length: 401 }, () => ({
  address: '192.0.2.1',
  category: 'x',
  leftMs: 1,
  failures: 1,
}));
test.each([
  ['no list', {}],
  ['no address', { bans: [{ address: 'edge', category: 'x', leftMs: 1, failures: 1 }] }],
  ['for ever', { bans: [{ address: '192.0.2.1', category: 'x', leftMs: 1e12, failures: 1 }] }],
  ['a category that is none', { bans: [{ address: '192.0.2.1', category: 'x y', leftMs: 1, failures: 1 }] }],
  ['more than it says', { bans: [], all: true }],
  ['too many', { bans: many }],
])('refused: %s', (_name, body) => {
  const list = open();
  const from: BanChannel = {
    peer: { name: 'one' },
    request: () => Promise.resolve(),
    notify: () => undefined,
  };
  expect(() => edgeBanHandlers(list, clock.wall)['ban.add'](body)).toThrow();
  const core = coreBanHandlers(list, { now: clock.wall, maxPerEdge: 1, maxMs: 1, count });
  expect(() => core['ban.report'](body, from)).toThrow();
});
