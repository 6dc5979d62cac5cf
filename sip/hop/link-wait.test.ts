import { expect, test } from 'vitest';
import { HandClock } from '../hand-clock.ts';
import { LinkWait } from './link-wait.ts';

const limits = {
  linkWaitMs: 10_000,
  linkKeepMs: 60_000,
  maxLinkWaiting: 3,
  maxLinkWaitingPerOwner: 2,
  maxLinkWaitingBytes: 1000,
};

function setUp() {
  const clock = new HandClock();
  const counts: string[] = [];
  const told: string[] = [];
  const wait = new LinkWait(limits, clock, (event, reason) => counts.push(`${event} ${reason}`));
  const waiter = (name: string, owner = name, bytes = 100) => ({
    owner,
    bytes,
    retry: () => void told.push(`retry ${name}`),
    late: () => void told.push(`late ${name}`),
  });
  return { clock, counts, told, wait, waiter };
}

test('the link returns: all are tried again in their order, and nothing is left behind', () => {
  const { clock, told, wait, waiter } = setUp();
  wait.hold(waiter('a'));
  wait.hold(waiter('b'));
  clock.move(9000);
  wait.linkUp();
  expect(told).toEqual(['retry a', 'retry b']);
  expect(wait.size).toBe(0);
  clock.move(120_000);
  expect(told).toEqual(['retry a', 'retry b']);
  expect(clock.timers.size).toBe(0);
});

test('the sender is answered once after 10 s; the request is kept until its time is up', () => {
  const { clock, counts, told, wait, waiter } = setUp();
  wait.hold(waiter('a'));
  clock.move(9900);
  expect(told).toEqual([]);
  clock.move(600);
  expect(told).toEqual(['late a']);
  clock.move(40_000);
  expect(wait.size).toBe(1);
  clock.move(10_000);
  expect(wait.size).toBe(0);
  expect(told).toEqual(['late a']);
  expect(counts).toEqual(['link-wait held', 'link-wait late', 'link-wait given-up']);
});

test('a try that finds the link down again keeps its first time', () => {
  const { clock, told, wait, waiter } = setUp();
  const one = waiter('a');
  wait.hold(one);
  clock.move(8000);
  wait.linkUp();
  wait.hold(one);
  clock.move(2500);
  expect(told).toEqual(['retry a', 'late a']);
});

test('a last try that fails keeps its place and leaves the answer to its sender', () => {
  const { clock, wait, waiter } = setUp();
  const one = waiter('a');
  const held: boolean[] = [wait.hold(one)];
  clock.move(10_500);
  held.push(wait.hold(one));
  expect(held).toEqual([true, false]);
  expect(wait.size).toBe(1);
});

test.each<[string, [string, number][]]>([
  ['of one owner', [['a', 1], ['a', 1], ['a', 1]]], // prettier-ignore
  ['in all', [['a', 1], ['b', 1], ['c', 1], ['d', 1]]], // prettier-ignore
  ['in bytes', [['a', 600], ['b', 401]]], // prettier-ignore
])('no more than its limit %s', (_name, came) => {
  const { counts, wait, waiter } = setUp();
  const kept = came.map(([owner, bytes]) => wait.hold(waiter(owner, owner, bytes)));
  expect(kept.slice(0, -1).every(Boolean)).toBe(true);
  expect(kept.at(-1)).toBe(false);
  expect(counts.at(-1)).toBe('link-wait full');
  wait.linkUp();
  expect(wait.hold(waiter('z', 'a', 1000))).toBe(true);
});

test('closed, it takes nothing and leaves no timer', () => {
  const { clock, told, wait, waiter } = setUp();
  wait.hold(waiter('a'));
  wait.close();
  wait.close();
  expect(wait.hold(waiter('b'))).toBe(false);
  expect(clock.timers.size).toBe(0);
  expect(told).toEqual([]);
});
