// Answers to strangers: never much larger than the question, never many to one address (T-007); ports lent and rested.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { METHOD } from '../stun.ts';
import { TestClient } from '../test-client.ts';
import { TEST_USER } from '../test-server.ts';
import { RefusalBudget, sourceKey } from './refusal-budget.ts';
import { RelayPorts } from './relay-ports.ts';
import { pathOf, TestRig } from './test-rig.ts';

describe('size', () => {
  test('no unproven answer exceeds five times its request, whatever is asked', () => {
    const rig = new TestRig({ machine: { refusalsPerSecondPerAddress: 60_000 } });
    const attribute = fc
      .tuple(fc.integer({ min: 0, max: 0xffff }), fc.uint8Array({ maxLength: 40 }))
      .map(([type, value]) => ({ type, value: Buffer.from(value) }))
      .filter(({ type }) => ![0x0008, 0x001c, 0x8028].includes(type));
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xfff }),
        fc.array(attribute, { maxLength: 6 }),
        (method, attributes) => {
          const request = new TestClient(TEST_USER).request(method, attributes);
          expect(rig.send(request)?.length ?? 0).toBeLessThanOrEqual(request.length * 5);
        },
      ),
    );
  });

  test('the smallest Binding and Allocate are answered within it', () => {
    const rig = new TestRig();
    const bare = new TestClient(TEST_USER);
    expect(rig.send(bare.request(METHOD.binding))?.length).toBeLessThanOrEqual(100);
    expect(rig.send(bare.allocate())?.length).toBeLessThanOrEqual(140);
  });

  test('a realm that makes challenges too long is refused at the start', () => {
    expect(() => new TestRig({ machine: { realm: 'r'.repeat(120) } })).toThrow(/realm .* is too long/);
  });
});

describe('rate', () => {
  test('an address has its share per second over UDP; its neighbours have theirs', () => {
    const rig = new TestRig({ machine: { refusalsPerSecondPerAddress: 3 } });
    const ask = (port: number, address?: string): boolean =>
      rig.send(new TestClient(TEST_USER).allocate(), pathOf(port, 'udp', address)) !== undefined;
    expect([1, 2, 3, 4, 5].map((port) => ask(port))).toEqual([true, true, true, false, false]);
    expect(ask(1, '198.51.100.8')).toBe(true);
    expect(rig.counted().filter((word) => word === 'dropped refusal-rate')).toHaveLength(2);
    rig.now += 1_000;
    expect(ask(1)).toBe(true);
  });

  test('who has credentials, or a stream, is not held up by strangers of his address', () => {
    const rig = new TestRig({ machine: { refusalsPerSecondPerAddress: 1 } });
    const client = rig.client();
    expect(rig.send(new TestClient(TEST_USER).allocate(), pathOf(2))).toBeUndefined();
    expect(rig.send(client.allocate())).toBeDefined();
    expect(rig.send(new TestClient(TEST_USER).allocate(), pathOf(3, 'tcp'))).toBeDefined();
  });

  test('a forged flood from everywhere takes no memory and few budgets of others', () => {
    const budget = new RefusalBudget({ perSecond: 10, seeds: [1, 2] });
    for (let index = 0; index < 20_000; index++) budget.take(`${index & 255}.${(index >> 8) & 255}.1.1`, 0);
    const victims = Array.from({ length: 1_000 }, (_, index) => `192.0.${index >> 8}.${index & 255}`);
    expect(victims.filter((address) => !budget.take(address, 0)).length).toBeLessThan(10);
  });

  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['2001:db8:1:2::', '2001:db8:1:2'],
  ])('%s counts as %s', (address, key) => {
    expect(sourceKey(address)).toBe(key);
  });
});

describe('relay ports', () => {
  const portsOf = (firstPort: number, lastPort: number) => {
    let state = 7;
    const randomBelow = (limit: number) => (state = (state * 48_271) % 0x7fff_ffff) % limit;
    return new RelayPorts({ firstPort, lastPort, quarantineMs: 1_000, randomBelow });
  };

  test('each once, then none, then the one that has rested longest', () => {
    const ports = portsOf(24_000, 24_003);
    const lent = [1, 2, 3, 4].map(() => ports.acquire(0)!);
    expect([...lent].sort((a, b) => a - b)).toEqual([24_000, 24_001, 24_002, 24_003]);
    expect(ports.acquire(0)).toBeUndefined();
    ports.release(lent[2]!, 0);
    ports.release(lent[0]!, 1);
    expect(ports.acquire(2)).toBe(lent[2]);
    expect(() => ports.release(lent[0]!, 3)).toThrow(/not lent/);
  });

  test('a port rests before it is lent again', () => {
    const ports = portsOf(24_000, 24_001);
    const first = ports.acquire(0)!;
    ports.release(first, 0);
    expect(ports.acquire(999)).not.toBe(first);
    expect(ports.acquire(1_000)).toBe(first);
  });

  test('whatever is lent and given back, nothing is lent twice and nothing is lost', () => {
    const step = fc.constantFrom('any', 'even', 'pair', 'release');
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const ports = portsOf(24_000, 24_020);
        const lent = new Set<number>();
        const take = (port: number | undefined): void => {
          if (port === undefined) return;
          expect(lent.has(port)).toBe(false);
          lent.add(port);
        };
        steps.forEach((what, now) => {
          if (what === 'any') take(ports.acquire(now * 100));
          else if (what === 'release') {
            const [port] = lent;
            if (port !== undefined && lent.delete(port)) ports.release(port, now * 100);
          } else {
            const port = ports.acquireEven(now * 100, what === 'pair');
            if (port !== undefined) expect(port % 2).toBe(0);
            take(port);
            if (what === 'pair' && port !== undefined) take(port + 1);
          }
          expect(ports.available + lent.size).toBe(21);
        });
      }),
    );
  });
});
