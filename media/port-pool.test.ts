// The pool never lends a pair twice, never loses one, and rests each before its next use.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PortPool, PortPoolError, type PortPair } from './port-pool.ts';

function pool(firstPort: number, lastPort: number): { pool: PortPool; clock: { now: number } } {
  const clock = { now: 0 };
  let seed = 1;
  const randomBelow = (limit: number): number => (seed = (seed * 48271) % 2147483647) % limit;
  const options = { firstPort, lastPort, quarantineMs: 1000, now: () => clock.now, randomBelow };
  return { pool: new PortPool(options), clock };
}

describe('range', () => {
  test.each([
    ['odd start', 36003, 36009],
    ['even end', 36002, 36008],
    ['below 1024', 1000, 2001],
    ['beyond 65535', 36002, 65537],
    ['upside down', 36010, 36003],
  ])('%s is refused', (_name, first, last) => {
    expect(() => pool(first, last)).toThrow(PortPoolError);
  });

  test('the whole range, ends included, is lent once', () => {
    const { pool: ports } = pool(36002, 36021);
    const lent = Array.from({ length: 10 }, () => ports.acquire().rtp).sort((a, b) => a - b);
    expect(lent).toEqual(Array.from({ length: 10 }, (_, index) => 36002 + index * 2));
    expect(() => ports.acquire()).toThrow('no media port pair is free');
  });

  test('the default range holds 11,999 pairs and is not lent in order', () => {
    const { pool: ports } = pool(36002, 59999);
    expect(ports.sizes().free).toBe(11_999);
    const lent = Array.from({ length: 20 }, () => ports.acquire().rtp);
    expect(lent).not.toEqual(lent.toSorted((a, b) => a - b));
  });
});

test('a released pair rests, and is lent early only when nothing else is left', () => {
  const { pool: ports, clock } = pool(36002, 36005);
  const first = ports.acquire();
  ports.release(first);
  const second = ports.acquire();
  expect(second).not.toEqual(first);
  expect(ports.acquire()).toEqual(first);
  ports.release(second);
  clock.now = 1000;
  expect(ports.acquire()).toEqual(second);
});

test('giving back twice is an error', () => {
  const { pool: ports } = pool(36002, 36005);
  const pair = ports.acquire();
  ports.release(pair);
  expect(() => ports.release(pair)).toThrow(PortPoolError);
});

test('random sequences return to empty', () => {
  const step = fc.oneof(fc.constant('open'), fc.constant('close'), fc.constant('wait'));
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.nat(99)), { maxLength: 120 }), (steps) => {
      const { pool: ports, clock } = pool(36002, 36021);
      const held: PortPair[] = [];
      for (const [action, pick] of steps) {
        if (action === 'wait') clock.now += pick * 20;
        if (action === 'close' && held.length > 0) ports.release(held.splice(pick % held.length, 1)[0]!);
        if (action === 'open' && held.length < 10) held.push(ports.acquire());
        expect(new Set(held.map((pair) => pair.rtp)).size).toBe(held.length);
      }
      for (const pair of held) ports.release(pair);
      clock.now += 1000;
      ports.release(ports.acquire());
      expect(ports.sizes()).toEqual({ free: 9, lent: 0, resting: 1 });
    }),
  );
});
