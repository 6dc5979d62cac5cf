// A road by hand: stanzas in, what the stream gets, what goes back, when the next one is tried.
import { describe, expect, it } from 'vitest';
import type { ServerStanza } from '../../../xmpp/s2s/index.ts';
import { type OnwardListener, StanzaRoad } from './stanza-road.ts';

const PAIR = { from: 'example.com', to: 'partner.test' };

function stanza(id: string, type = 'chat', size = 0): ServerStanza {
  const head = { name: 'message', type, id, from: 'a@example.com', to: 'b@partner.test' };
  return { ...PAIR, head, text: `<${id}${'x'.repeat(size)}/>` };
}

function roadOf() {
  const world = {
    now: 0,
    timers: [] as { at: number; run: () => void }[],
    opened: [] as OnwardListener[],
    writes: [] as string[],
    get written(): string {
      return world.writes.join('');
    },
    isFull: false,
    ended: 0,
    bounced: [] as string[],
    counted: [] as string[],
    /** Lets time pass. */
    pass(ms: number): void {
      world.now += ms;
      for (const timer of world.timers.filter(({ at }) => at <= world.now)) {
        world.timers.splice(world.timers.indexOf(timer), 1);
        timer.run();
      }
    },
  };
  const road = new StanzaRoad({
    pair: PAIR,
    maxRoads: 1,
    maxWaitingBytes: 1_000,
    retryFirstMs: 1_000,
    retryMostMs: 3_000,
    idleTimeoutMs: 60_000,
    clock: {
      now: () => world.now,
      wall: () => world.now,
      after: (ms, run) => {
        const timer = { at: world.now + ms, run };
        world.timers.push(timer);
        return () => void (world.timers = world.timers.filter((one) => one !== timer));
      },
    },
    count: (event, reason) => world.counted.push(reason === undefined ? event : `${event} ${reason}`),
    open: (listener) => {
      world.opened.push(listener);
      return {
        write: (text) => {
          world.writes.push(text);
          return !world.isFull;
        },
        end: () => void (world.ended += 1),
      };
    },
    bounce: ({ head, text }) => world.bounced.push(`${head.id} ${/<([a-z-]+) xmlns/.exec(text)?.[1]}`),
  });
  return { road, world };
}

describe('a road', () => {
  it('opens with the first stanza, keeps the order, and stays', () => {
    const { road, world } = roadOf();
    expect(road.send(stanza('m1'))).toBe(true);
    road.send(stanza('m2'));
    expect(world.opened).toHaveLength(1);
    expect(world.written).toBe('');
    world.opened[0]?.onReady();
    road.send(stanza('m3'));
    road.send(stanza('m4'));
    expect(world.written).toBe('<m1/><m2/>');
    road.flush();
    road.flush();
    expect(world.writes).toEqual(['<m1/><m2/>', '<m3/><m4/>']);
    expect(world.opened).toHaveLength(1);
    expect(world.bounced).toEqual([]);
  });

  it('stops its sources at half of its room, sends back what is beyond it, and calls the sources again', () => {
    const { road, world } = roadOf();
    let resumed = 0;
    expect(road.send(stanza('m1', 'chat', 400))).toBe(true);
    expect(road.send(stanza('m2', 'chat', 400))).toBe(false);
    road.whenOpen(() => (resumed += 1));
    road.send(stanza('m3', 'chat', 400));
    expect(world.bounced).toEqual(['m3 resource-constraint']);
    expect(world.counted).toContain('queue-full');
    world.opened[0]?.onReady();
    expect(resumed).toBe(1);
    world.isFull = true;
    expect(road.send(stanza('m4'))).toBe(true);
    road.flush();
    expect(road.send(stanza('m5'))).toBe(false);
    road.whenOpen(() => (resumed += 1));
    world.opened[0]?.onDrain();
    expect(resumed).toBe(2);
  });

  it.each([
    ['refused', 'remote-server-not-found'],
    ['certificate', 'remote-server-not-found'],
    ['not-believed', 'remote-server-not-found'],
    ['unreachable', 'remote-server-timeout'],
  ] as const)('that fails (%s) sends everything back once, errors excepted', (reason, condition) => {
    const { road, world } = roadOf();
    for (const one of [stanza('m1'), stanza('m2', 'error'), stanza('m3')]) road.send(one);
    let resumed = 0;
    road.whenOpen(() => (resumed += 1));
    world.opened[0]?.onOver(reason);
    world.opened[0]?.onOver(reason);
    expect(world.bounced).toEqual([`m1 ${condition}`, `m3 ${condition}`]);
    expect(resumed).toBe(1);
  });

  it('rests after a failure, longer each time, and sends back at once meanwhile', () => {
    const { road, world } = roadOf();
    for (const restMs of [1_000, 2_000, 3_000, 3_000]) {
      road.send(stanza('m'));
      world.opened.at(-1)?.onOver('unreachable');
      const tried = world.opened.length;
      world.pass(restMs - 1);
      road.send(stanza('early'));
      expect(world.opened).toHaveLength(tried);
      world.pass(1);
    }
    road.send(stanza('m'));
    world.opened.at(-1)?.onReady();
    world.opened.at(-1)?.onOver('closed');
    expect(road.isIdle).toBe(true);
    road.send(stanza('m'));
    world.opened.at(-1)?.onOver('unreachable');
    world.pass(1_000);
    expect(road.isIdle).toBe(true);
  });

  it('may go at once when the other side has come', () => {
    const { road, world } = roadOf();
    road.send(stanza('m1'));
    world.opened[0]?.onOver('unreachable');
    road.wake();
    road.send(stanza('m2'));
    expect(world.opened).toHaveLength(2);
  });

  it('neither repeats nor sends back what a stream took before it broke', () => {
    const { road, world } = roadOf();
    road.send(stanza('m1'));
    world.opened[0]?.onReady();
    world.opened[0]?.onOver('closed');
    road.send(stanza('m2'));
    world.opened[1]?.onReady();
    expect(world.written).toBe('<m1/><m2/>');
    expect(world.bounced).toEqual([]);
  });

  it('closes when nothing is said', () => {
    const { road, world } = roadOf();
    road.send(stanza('m1'));
    world.opened[0]?.onReady();
    world.pass(59_000);
    road.send(stanza('m2'));
    world.pass(1_000);
    expect(world.ended).toBe(0);
    world.pass(60_000);
    expect([world.ended, road.isIdle]).toEqual([1, true]);
    expect(world.timers).toEqual([]);
  });
});
