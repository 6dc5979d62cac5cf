// Core's way to a partner: which edge is asked, whose stream is believed, what the road hears.
import { duplexPair } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { type ControlChannel, LinkError, printFrame } from '../../../zones/index.ts';
import type { OnwardStream } from './stanza-road.ts';
import { ThroughEdge } from './through-edge.ts';

const PAIR = { from: 'example.com', to: 'partner.test' };

/** Edges by name; each says yes or no to every order. */
function wayThrough(edges: Readonly<Record<string, 'yes' | 'no'>>) {
  const heard: string[] = [];
  const asked: { edge: string; id: string }[] = [];
  const timers: (() => void)[] = [];
  let ids = 0;
  const way = new ThroughEdge({
    edges: () =>
      Object.entries(edges).map(([name, answer]): ControlChannel => ({
        peer: { name, zone: 'z', zoneId: 1 },
        notify: () => undefined,
        request: (_type, body) => {
          asked.push({ edge: name, id: (body as { id: string }).id });
          return answer === 'yes' ? Promise.resolve({}) : Promise.reject(new LinkError('refused', 'no'));
        },
      })),
    newId: () => `id-${(ids += 1)}`,
    clock: {
      now: () => 0,
      wall: () => 0,
      after: (_ms, run) => {
        timers.push(run);
        return () => void timers.splice(timers.indexOf(run), 1);
      },
    },
    dialTimeoutMs: 1,
    maxFrameBytes: 1_000,
    count: (event) => heard.push(event),
  });
  const stream: OnwardStream = way.open(PAIR, {
    onReady: () => heard.push('ready'),
    onDrain: () => heard.push('drain'),
    onOver: (reason) => heard.push(`over ${reason}`),
  });
  return { way, stream, heard, asked, timers };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('the way to a partner', () => {
  it('is ready when the edge says so, and ends with its word', async () => {
    const { way, stream, heard, asked, timers } = wayThrough({ one: 'yes' });
    await settled();
    const [edge, link] = duplexPair();
    expect(way.adopt(link, asked[0]?.id ?? '', 'one')).toBe(true);
    edge.write(printFrame('open', ''));
    await expect.poll(() => heard).toEqual(['ready']);
    expect(timers).toEqual([]);
    stream.write('<message/>');
    await expect.poll(() => String(edge.read())).toContain('<message/>');
    edge.write(printFrame('close', 'unreachable'));
    await expect.poll(() => heard).toEqual(['ready', 'over unreachable']);
  });

  it.each([
    ['certificate', 'over certificate'],
    ['refused', 'over refused'],
    ['<script>', 'over closed'],
  ])('the word %s is heard as %s', async (word, expected) => {
    const { way, heard, asked } = wayThrough({ one: 'yes' });
    await settled();
    const [edge, link] = duplexPair();
    way.adopt(link, asked[0]?.id ?? '', 'one');
    edge.write(printFrame('close', word));
    await expect.poll(() => heard).toEqual([expected]);
  });

  it('is asked of the next edge when one refuses, and fails when all do', async () => {
    const next = wayThrough({ one: 'no', two: 'yes' });
    await settled();
    expect(next.asked.map(({ edge }) => edge)).toEqual(['one', 'two']);
    expect(next.heard).toEqual(['edge-would-not-dial']);
    const none = wayThrough({ one: 'no' });
    await settled();
    expect(none.heard).toEqual(['edge-would-not-dial', 'over unreachable']);
    expect(wayThrough({}).heard).toEqual(['over unreachable']);
  });

  it('is given up when no stream comes', async () => {
    const { way, heard, asked, timers } = wayThrough({ one: 'yes' });
    await settled();
    timers[0]?.();
    expect(heard).toEqual(['over unreachable']);
    expect(way.adopt(duplexPair()[1], asked[0]?.id ?? '', 'one')).toBe(false);
  });

  it('is believed only from the edge that was asked, by the name of the question, once (T-086)', async () => {
    const { way, asked } = wayThrough({ one: 'yes', two: 'yes' });
    await settled();
    const id = asked[0]?.id ?? '';
    expect(way.adopt(duplexPair()[1], id, 'two')).toBe(false);
    expect(way.adopt(duplexPair()[1], 'id-9', 'one')).toBe(false);
    expect(way.adopt(duplexPair()[1], id, 'one')).toBe(true);
    expect(way.adopt(duplexPair()[1], id, 'one')).toBe(false);
  });

  it('fails by protocol when the edge speaks out of turn', async () => {
    const { way, heard, asked } = wayThrough({ one: 'yes' });
    await settled();
    const [edge, link] = duplexPair();
    way.adopt(link, asked[0]?.id ?? '', 'one');
    edge.write(printFrame('elements', '<message/>'));
    await expect.poll(() => heard).toEqual(['over protocol']);
  });
});
