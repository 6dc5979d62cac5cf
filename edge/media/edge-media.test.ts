// Edge's media room against its control channel and its link port: what a core may do, what nobody may.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createPortableEngine, type EngineEvent } from '../../media/index.ts';
import { LoopbackEndpoint } from '../../media/loopback-endpoint.ts';
import { parseHelloAnswer, printHello } from '../../zones/media-link/index.ts';
import { EdgeMedia, type CoreControl } from './index.ts';

const EPOCH = 'epoch-0123456789';
const LINK = 'a'.repeat(32);
const SESSION = 'session-0123456789';
const KEY = Buffer.alloc(32, 7);
const CHANNELS = { rtp: 0x4000, rtcp: 0x4001, rtpProbe: 0x4002, rtcpProbe: 0x4003 };

let edge: EdgeMedia;
let counted: string[];
let reports: string[];
let timers: { at: number; action: () => void }[];
let now: number;
const sockets: LoopbackEndpoint[] = [];

function step(ms: number): void {
  now += ms;
  for (const timer of timers.filter((one) => one.at <= now)) {
    timers.splice(timers.indexOf(timer), 1);
    timer.action();
  }
}

const core = (name = 'core.one', keep = true): CoreControl => ({
  peer: { name },
  request: async () => ({ keep }),
});
const ask = async (type: string, body: object, from = core()): Promise<unknown> =>
  edge.controlHandlers[type]!(body, from);
const link = (body: object = {}, from = core()): Promise<unknown> =>
  ask(
    'media.link',
    { epoch: EPOCH, shard: 0, shards: 1, link: LINK, key: KEY.toString('base64'), ...body },
    from,
  );
const openStream = (body: object = {}, from = core()): Promise<unknown> =>
  ask(
    'media.open',
    { session: SESSION, stream: 0, content: 'rtp', kind: 'audio', link: LINK, channels: CHANNELS, ...body },
    from,
  );

async function socket(): Promise<LoopbackEndpoint> {
  const one = await LoopbackEndpoint.open();
  sockets.push(one);
  return one;
}

beforeEach(async () => {
  [counted, reports, timers, now] = [[], [], [], 10_000];
  const after = (ms: number, action: () => void): (() => void) => {
    const timer = { at: now + ms, action };
    timers.push(timer);
    return () => void (timers = timers.filter((one) => one !== timer));
  };
  let token = 1;
  edge = new EdgeMedia({
    createEngine: (onEvent: (event: EngineEvent) => void) =>
      createPortableEngine({
        now: () => now,
        timeOfDay: () => 0,
        shards: 1,
        every: () => () => {},
        randomToken: () => token++,
        onEvent,
        sweepMs: 1000,
        limits: {
          maxPorts: 50,
          maxFlows: 100,
          maxLinks: 4,
          maxSourcesPerKey: 4,
          stunPerSecond: 100,
          trunkBufferBytes: 65536,
          maxCaptureBytes: 1 << 20,
        },
      }),
    boundAddress: '127.0.62.1',
    announcedAddress: '203.0.113.9',
    linkAddress: '127.0.62.1',
    linkPorts: [0, 0],
    firstPort: 20002,
    lastPort: 20009,
    portQuarantineMs: 1000,
    dscp: { audio: 46, video: 34, other: 0 },
    maxPendingSources: 8,
    probePacketsPerSecond: 50,
    maxStreamsPerSession: 2,
    maxSessionsPerCore: 3,
    idleAfterMs: 120_000,
    controlLostGraceMs: 30_000,
    linkDeadMs: 4000,
    now: () => now,
    after,
    randomBelow: () => 0,
    reportMedia: (name, { state, cause }) => reports.push(`${name} ${state} ${cause}`.trim()),
    log: { info: () => {}, warn: () => {} },
    count: (event, reason) => counted.push(`${event} ${reason ?? ''}`.trim()),
  });
  await edge.listen();
});

afterEach(async () => {
  for (const one of sockets.splice(0)) one.close();
  await edge.close('test over');
});

describe('control messages', () => {
  test('a stream is opened at the announced address and closed without trace', async () => {
    await link();
    const reply = await openStream();
    expect(reply).toMatchObject({ address: '203.0.113.9' });
    expect(reply).toHaveProperty('rtpPort', (reply as { rtcpPort: number }).rtcpPort - 1);
    expect(edge.sizes()).toMatchObject({ sessions: 1, engine: { flows: 4 }, pairs: { lent: 1 } });
    await ask('media.close', { session: SESSION });
    await ask('media.close', { session: SESSION });
    expect(edge.sizes()).toMatchObject({ sessions: 0, engine: { flows: 0, ports: 2 }, pairs: { lent: 0 } });
  });

  test.each([
    ['no body', 'media.open', {}],
    ['channel 0x3fff', 'media.open', { channels: { ...CHANNELS, rtp: 0x3fff } }],
    ['session with a slash', 'media.open', { session: '../../../../etc/passwd' }],
    ['unknown key', 'media.open', { more: 1 }],
    ['short link key', 'media.link', { key: 'AAAA' }],
    ['token of 33 bits', 'media.latch', { session: SESSION, stream: 0, component: 'rtp', token: 2 ** 32 }],
    ['too many claims', 'media.claim', { epoch: EPOCH, sessions: Array(1001).fill(SESSION), last: true }],
  ])('malformed: %s', async (_name, type, body) => {
    const whole = {
      session: SESSION,
      stream: 0,
      content: 'rtp',
      kind: 'audio',
      link: LINK,
      channels: CHANNELS,
      ...body,
    };
    await expect(ask(type, type === 'media.open' && _name !== 'no body' ? whole : body)).rejects.toThrow();
    expect(counted).toEqual(['media-refused bad-message']);
  });

  test('limits: streams, sessions, ports', async () => {
    await link();
    await openStream();
    await expect(openStream()).rejects.toMatchObject({ reason: 'stream-taken' });
    await openStream({
      stream: 1,
      channels: { rtp: 0x4010, rtcp: 0x4011, rtpProbe: 0x4012, rtcpProbe: 0x4013 },
    });
    await expect(openStream({ stream: 2 })).rejects.toMatchObject({ reason: 'too-many-streams' });
    await expect(openStream({ session: `${SESSION}a` })).rejects.toMatchObject({ code: 'input-taken' });
    for (let count = 1; count < 3; count++) {
      const base = 0x5000 + count * 4;
      const channels = { rtp: base, rtcp: base + 1, rtpProbe: base + 2, rtcpProbe: base + 3 };
      await openStream({ session: `${SESSION}${count}`, channels });
    }
    await expect(openStream({ session: `${SESSION}3` })).rejects.toMatchObject({
      reason: 'too-many-sessions',
    });
    expect(edge.sizes()).toMatchObject({ sessions: 3, pairs: { lent: 4 } });
    const other = core('core.two');
    await link({ link: 'b'.repeat(32), epoch: `${EPOCH}2` }, other);
    await expect(openStream({ link: 'b'.repeat(32) }, other)).rejects.toMatchObject({ code: 'exhausted' });
    expect(edge.sizes().sessions).toBe(3);
    expect(counted).toContain('media-refused ports-exhausted');
    expect(edge.status()).toMatchObject({ engine: { refusedForPorts: 1 } });
  });

  test('another core can neither use, take nor close what is not its own', async () => {
    await link();
    await openStream();
    const other = core('core.two');
    await expect(link({}, other)).rejects.toMatchObject({ reason: 'foreign-link' });
    await expect(openStream({ session: `${SESSION}x` }, other)).rejects.toMatchObject({
      reason: 'unknown-link',
    });
    await ask('media.close', { session: SESSION }, other);
    const latch = { session: SESSION, stream: 0, component: 'rtp', token: 1 };
    expect(await ask('media.latch', latch, other)).toEqual({ latched: false });
    await link({ link: 'c'.repeat(32), epoch: `${EPOCH}3` }, other);
    await ask('media.claim', { epoch: `${EPOCH}3`, sessions: [SESSION], last: true }, other);
    expect(edge.sizes().sessions).toBe(1);
  });

  test('a core that restarted loses what its former self had opened', async () => {
    await link();
    await openStream();
    expect(await link({ link: 'd'.repeat(32), epoch: `${EPOCH}-2` })).toEqual({ fresh: true, shards: 1 });
    expect(edge.sizes()).toMatchObject({ sessions: 0, engine: { links: 0 }, pairs: { lent: 0 } });
  });

  test('a claim in parts keeps what it names and closes the rest; unknown names come back', async () => {
    await link();
    await openStream();
    await openStream({
      session: `${SESSION}2`,
      channels: { rtp: 0x6000, rtcp: 0x6001, rtpProbe: 0x6002, rtcpProbe: 0x6003 },
    });
    edge.peerDown({ name: 'core.one' });
    step(29_000);
    const ghost = `${SESSION}-ghost`;
    expect(await ask('media.claim', { epoch: EPOCH, sessions: [SESSION], last: false })).toEqual({
      unknown: [],
    });
    expect(await ask('media.claim', { epoch: EPOCH, sessions: [ghost], last: true })).toEqual({
      unknown: [ghost],
    });
    step(60_000);
    expect(edge.sizes()).toMatchObject({ sessions: 1, pairs: { lent: 1 } });
  });
});

describe('hello', () => {
  const hello = (counter: bigint, key = KEY, name = LINK): Buffer =>
    printHello(name, key, counter, Buffer.alloc(4));

  test('only a sealed, named and newer hello is answered, and only it moves the link', async () => {
    await link();
    const [peer, thief] = [await socket(), await socket()];
    const door = edge.linkAddresses()[0]!;
    await thief.send(hello(1n, Buffer.alloc(32, 9)), door);
    await thief.send(hello(1n, KEY, 'f'.repeat(32)), door);
    await thief.send(hello(1n).subarray(0, 40), door);
    await peer.send(hello(5n), door);
    expect(parseHelloAnswer((await peer.next()).bytes, KEY)).toBe(5n);
    await thief.send(hello(5n), door);
    await thief.send(hello(4n), door);
    await expect.poll(() => counted.length, { interval: 1 }).toBe(5);
    expect(counted.toSorted()).toEqual([
      'media-hello-refused bad-seal',
      'media-hello-refused malformed',
      'media-hello-refused replayed',
      'media-hello-refused replayed',
      'media-hello-refused unknown-link',
    ]);
    expect(thief.received).toEqual([]);
    expect(edge.status()).toMatchObject({ links: [{ up: true, remote: peer.address }] });
    const moved = await socket();
    await moved.send(hello(6n), door);
    await moved.next();
    expect(edge.status()).toMatchObject({ links: [{ remote: moved.address }] });
    step(5000);
    expect(reports).toEqual(['core.one up', `core.one down no hello on UDP ${door.port} for 4000 ms`]);
  });

  test('a link is missed only after the dead time: the first of several is not partly up at once', async () => {
    const second = 'b'.repeat(32);
    await link();
    await link({ shard: 1, link: second });
    const peer = await socket();
    const door = edge.linkAddresses()[0]!;
    const say = async (counter: bigint, name = LINK): Promise<void> => {
      await peer.send(hello(counter, KEY, name), door);
      await peer.next();
    };
    await say(1n);
    expect(reports).toEqual(['core.one up']);
    step(3000);
    await say(2n);
    step(2000);
    const { port } = edge.linkAddresses()[1]!;
    expect(reports.at(-1)).toBe(`core.one up partly up: no hello on UDP ${port} for 4000 ms`);
    await say(1n, second);
    expect(reports.slice(2)).toEqual(['core.one up']);
  });
});
