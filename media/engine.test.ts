// The suite that every media engine passes, on real loopback sockets: paths, sources, probes, crypto, limits.
import { sample, uint8Array } from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { METHOD, printStun, type TransportAddress } from '../turn/index.ts';
import type { EngineEvent, FlowDrop, FlowId, FlowSpec, MediaEngine, PortId } from './engine.ts';
import { LoopbackEndpoint } from './loopback-endpoint.ts';
import type { EngineLimits } from './portable-engine/portable-engine.ts';
import { findSuite, SUITES, type SuiteName } from './srtp-suites.ts';
import { SrtpReceiver, SrtpSender } from './srtp.ts';
import { ENGINES } from './test-engines.ts';

const LIMITS: EngineLimits = {
  maxPorts: 8,
  maxFlows: 8,
  maxLinks: 4,
  maxSourcesPerKey: 4,
  stunPerSecond: 10,
  trunkBufferBytes: 65536,
  maxCaptureBytes: 1 << 20,
};
const LOCAL = { address: '127.0.0.1', port: 0 };
const MASTER = (suite: SuiteName): { key: Buffer; salt: Buffer } => ({
  key: Buffer.alloc(findSuite(suite)!.keyBytes, 3),
  salt: Buffer.alloc(findSuite(suite)!.saltBytes, 4),
});

interface Bench {
  readonly engine: MediaEngine;
  readonly events: EngineEvent[];
  readonly clock: { now: number; dayAheadMs: number };
  readonly sweep: () => void;
  readonly event: (type: EngineEvent['type']) => Promise<EngineEvent>;
  readonly endpoint: (address?: string) => Promise<LoopbackEndpoint>;
}

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

function openBench(open: (typeof ENGINES)[number][1]): Bench {
  const events: EngineEvent[] = [];
  const waiting: { type: string; resolve: (event: EngineEvent) => void }[] = [];
  const tested = open(LIMITS, (event) => {
    events.push(event);
    const index = waiting.findIndex((waiter) => waiter.type === event.type);
    if (index >= 0) waiting.splice(index, 1)[0]!.resolve(event);
  });
  cleanups.push(() => tested.engine.close());
  return {
    ...tested,
    events,
    event: (type) => {
      const past = events.find((event) => event.type === type);
      if (past !== undefined) return Promise.resolve(past);
      const { promise, resolve } = Promise.withResolvers<EngineEvent>();
      waiting.push({ type, resolve });
      return promise;
    },
    endpoint: async (address) => {
      const endpoint = await LoopbackEndpoint.open(address);
      cleanups.push(() => endpoint.close());
      return endpoint;
    },
  };
}

function rtp(sequence: number, text = 'voice', ssrc = 77): Buffer {
  const packet = Buffer.concat([Buffer.alloc(12), Buffer.from(text)]);
  packet[0] = 0x80;
  packet.writeUInt16BE(sequence, 2);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}
const RTCP = Buffer.from('80c9000100000007', 'hex');

const channelData = (channel: number, packet: Buffer, length = packet.length): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(channel, 0);
  head.writeUInt16BE(length, 2);
  return Buffer.concat([head, packet]);
};

const plain = (part: Partial<FlowSpec> & Pick<FlowSpec, 'input'>): FlowSpec => ({
  content: 'rtp',
  unprotect: [],
  idleAfterMs: 0,
  ...part,
});

async function drops(engine: MediaEngine, flow: FlowId, reason: FlowDrop, count: number): Promise<void> {
  await expect.poll(() => engine.counters(flow).drops[reason], { interval: 1 }).toBe(count);
}

async function mediaPort(engine: MediaEngine): Promise<{ id: PortId; bound: TransportAddress }> {
  return engine.openPort({ bind: LOCAL, use: 'media' });
}

describe.each(ENGINES)('%s engine', (_name, open) => {
  const bench = (): Bench => openBench(open);
  describe('between ports', () => {
    test('RTP and RTCP of one port part to two destinations, and come together again', async () => {
      const { engine, endpoint } = bench();
      const [source, forRtp, forRtcp] = [await endpoint(), await endpoint(), await endpoint()];
      const [inside, outside] = [await mediaPort(engine), await mediaPort(engine)];
      const accept = { kind: 'exact', source: source.address } as const;
      const flow = engine.addFlow(
        plain({
          input: { kind: 'port', port: inside.id, accept },
          rtp: { kind: 'port', port: outside.id, remote: forRtp.address },
          rtcp: { kind: 'port', port: outside.id, remote: forRtcp.address },
        }),
      );
      await source.send(rtp(1), inside.bound);
      await source.send(RTCP, inside.bound);
      expect((await forRtp.next()).bytes).toEqual(rtp(1));
      expect((await forRtcp.next()).bytes).toEqual(RTCP);
      engine.changeFlow(flow, { rtcp: { kind: 'port', port: outside.id, remote: forRtp.address } });
      await source.send(RTCP, inside.bound);
      expect(await forRtp.next()).toEqual({ bytes: RTCP, from: outside.bound });
      expect(engine.counters(flow)).toMatchObject({ packetsIn: 3, bytesIn: 33, packetsOut: 3 });
    });

    test.each([
      ['a foreign source', 'foreign-source', rtp(1)],
      ['a foreign source, too short', 'short', Buffer.from('8000')],
      ['a foreign source, DTLS', 'not-rtp', Buffer.from('16fefd0000000000', 'hex')],
    ] as const)('%s is dropped', async (_name, reason, packet) => {
      const { engine, endpoint } = bench();
      const [friend, foe] = [await endpoint(), await endpoint()];
      const port = await mediaPort(engine);
      const output = { kind: 'port', port: port.id, remote: friend.address } as const;
      const accept = { kind: 'exact', source: friend.address } as const;
      const flow = engine.addFlow(plain({ input: { kind: 'port', port: port.id, accept }, rtp: output }));
      await foe.send(packet, port.bound);
      await drops(engine, flow, reason, 1);
      await friend.send(rtp(2), port.bound);
      expect((await friend.next()).bytes).toEqual(rtp(2));
      expect(foe.received).toEqual([]);
    });

    test.each([
      ['', 'short'],
      ['80000001', 'short'],
      ['8000000100000000000000', 'short'],
      ['16fefd000000000000000000', 'not-rtp'],
    ] as const)('accepted source sends %j: dropped as %s', async (hex, reason) => {
      const { engine, endpoint } = bench();
      const friend = await endpoint();
      const port = await mediaPort(engine);
      const accept = { kind: 'exact', source: friend.address } as const;
      const flow = engine.addFlow(plain({ input: { kind: 'port', port: port.id, accept } }));
      await friend.send(Buffer.from(hex, 'hex'), port.bound);
      await drops(engine, flow, reason, 1);
    });

    test('random datagrams: each is counted, sent or dropped by name', async () => {
      const { engine, endpoint } = bench();
      const [friend, out] = [await endpoint(), await endpoint()];
      const port = await mediaPort(engine);
      const suite = 'AES_CM_128_HMAC_SHA1_32';
      const flow = engine.addFlow(
        plain({
          input: { kind: 'port', port: port.id, accept: { kind: 'exact', source: friend.address } },
          unprotect: [engine.addCrypto({ direction: 'unprotect', suite, master: MASTER(suite) })],
          protect: engine.addCrypto({ direction: 'protect', suite, master: MASTER(suite) }),
          rtp: { kind: 'port', port: port.id, remote: out.address },
        }),
      );
      for (const [index, raw] of sample(uint8Array({ maxLength: 120, size: 'max' }), 400).entries()) {
        const packet = Buffer.from(raw);
        if (packet.length > 1 && packet.length % 2 === 0)
          packet.set([0x80 | (packet[0]! & 0x3f), packet[1]!], 0);
        await friend.send(packet, port.bound);
        // The kernel's buffer holds 256 small packets: none may be lost here.
        if (index % 100 === 99) {
          await expect.poll(() => engine.counters(flow).packetsIn, { interval: 1 }).toBe(index + 1);
        }
      }
      const { drops: reasons, packetsOut } = engine.counters(flow);
      expect(Object.values(reasons).reduce((sum, count) => sum + count, packetsOut)).toBe(400);
      expect([reasons['bad-tag'] > 0, reasons.short > 0, reasons['not-rtp'] > 0]).toEqual([true, true, true]);
    });

    test('an address-only source may change its port, and each change is told', async () => {
      const { engine, endpoint, event, clock, events } = bench();
      const [first, second, out] = [
        await endpoint('127.0.0.2'),
        await endpoint('127.0.0.2'),
        await endpoint(),
      ];
      const port = await mediaPort(engine);
      engine.addFlow(
        plain({
          content: 'opaque',
          input: { kind: 'port', port: port.id, accept: { kind: 'address', address: '127.0.0.2' } },
          rtp: { kind: 'port', port: port.id, remote: out.address },
        }),
      );
      await first.send(Buffer.from('x'), port.bound);
      expect(await event('source')).toMatchObject({ source: first.address });
      clock.now += 250;
      await second.send(Buffer.from('yy'), port.bound);
      await out.next();
      expect((await out.next()).bytes.toString()).toBe('yy');
      await expect.poll(() => events.at(-1), { interval: 1 }).toMatchObject({ source: second.address });
    });

    test('a flow without an output counts no-destination', async () => {
      const { engine, endpoint } = bench();
      const friend = await endpoint();
      const port = await mediaPort(engine);
      const accept = { kind: 'exact', source: friend.address } as const;
      const flow = engine.addFlow(plain({ input: { kind: 'port', port: port.id, accept } }));
      await friend.send(rtp(1), port.bound);
      await drops(engine, flow, 'no-destination', 1);
    });
  });

  async function trunk(bench: Bench): Promise<{
    id: PortId;
    bound: TransportAddress;
    peer: LoopbackEndpoint;
    link: number;
  }> {
    const { id, bound } = await bench.engine.openPort({ bind: LOCAL, use: 'trunk' });
    const peer = await bench.endpoint();
    return { id, bound, peer, link: bench.engine.addLink(id, peer.address) };
  }

  describe('links', () => {
    test('packets come and go under a channel header; what does not fit is counted', async () => {
      const setup = bench();
      const { engine } = setup;
      const { peer, link, bound } = await trunk(setup);
      const [client, port] = [await setup.endpoint(), await mediaPort(engine)];
      const accept = { kind: 'exact', source: client.address } as const;
      engine.addFlow(
        plain({
          input: { kind: 'port', port: port.id, accept },
          rtp: { kind: 'channel', link, channel: 0x4001 },
        }),
      );
      engine.addFlow(
        plain({
          input: { kind: 'channel', link, channel: 0x4001, tokened: false },
          rtp: { kind: 'port', port: port.id, remote: client.address },
        }),
      );
      await client.send(rtp(1), port.bound);
      expect((await peer.next()).bytes).toEqual(channelData(0x4001, rtp(1)));
      const stranger = await setup.endpoint();
      await stranger.send(channelData(0x4001, rtp(6)), bound);
      await peer.send(channelData(0x4002, rtp(7)), bound);
      await peer.send(channelData(0x4001, rtp(8), 3), bound);
      await peer.send(Buffer.from('4001', 'hex'), bound);
      await peer.send(channelData(0x4001, rtp(9)), bound);
      expect((await client.next()).bytes).toEqual(rtp(9));
      const expected = { packetsIn: 4, packetsOut: 1, unknownChannel: 1, malformed: 2 };
      expect(engine.linkCounters(link)).toEqual(expected);
      expect(client.received.length).toBe(1);
    });

    test('STUN is told with its source, a bounded number per second; a remote can move', async () => {
      const setup = bench();
      const { engine, events } = setup;
      const { peer, link, bound, id } = await trunk(setup);
      const stranger = await setup.endpoint('127.0.0.9');
      const transactionId = Buffer.alloc(12, 1);
      const stun = printStun({ class: 'request', method: METHOD.binding, transactionId, attributes: [] });
      for (let count = 0; count < 9; count++) await stranger.send(stun, bound);
      await peer.send(stun, bound);
      await expect.poll(() => events.length, { interval: 1 }).toBe(6);
      expect(events[0]).toEqual({ type: 'stun', port: id, source: stranger.address, bytes: stun });
      expect(events[5]).toMatchObject({ source: peer.address });
      engine.setLinkRemote(link, stranger.address);
      const port = await mediaPort(engine);
      engine.addFlow(
        plain({
          input: { kind: 'channel', link, channel: 0xffff, tokened: false },
          rtp: { kind: 'port', port: port.id, remote: peer.address },
        }),
      );
      await peer.send(channelData(0xffff, rtp(1)), bound);
      await stranger.send(channelData(0xffff, rtp(2)), bound);
      expect((await peer.next()).bytes).toEqual(rtp(2));
      engine.sendStun(id, stun, peer.address);
      expect((await peer.next()).bytes).toEqual(stun);
    });

    test.each([0x3fff, 0, 0x10000])('channel %i is refused', async (channel) => {
      const setup = bench();
      const { link } = await trunk(setup);
      const input = { kind: 'channel', link, channel, tokened: false } as const;
      expect(() => setup.engine.addFlow(plain({ input }))).toThrow('another flow has this port or channel');
    });
  });

  describe('probes', () => {
    test('unknown sources trickle out under tokens; the oldest gives way', async () => {
      const setup = bench();
      const { engine, clock } = setup;
      const { peer, link } = await trunk(setup);
      const port = await mediaPort(engine);
      const probe = { link, channel: 0x5000, maxSources: 2, packetsPerSecond: 4 };
      const input = { kind: 'port', port: port.id, accept: { kind: 'none' } } as const;
      const flow = engine.addFlow(plain({ input, probe }));
      const sources = [await setup.endpoint(), await setup.endpoint(), await setup.endpoint()];
      const tokens: number[] = [];
      for (const source of sources) {
        await source.send(rtp(1), port.bound);
        const { bytes } = await peer.next();
        expect(bytes.subarray(8)).toEqual(rtp(1));
        tokens.push(bytes.readUInt32BE(4));
      }
      expect(new Set(tokens).size).toBe(3);
      expect(tokens.map((token) => engine.tokenSource(flow, token))).toEqual([
        undefined,
        sources[1]!.address,
        sources[2]!.address,
      ]);
      for (let count = 0; count < 5; count++) await sources[2]!.send(rtp(2), port.bound);
      await drops(engine, flow, 'probe-rate', 4);
      clock.now += 250;
      await sources[2]!.send(rtp(3), port.bound);
      await peer.next();
      expect((await peer.next()).bytes.readUInt32BE(4)).toBe(tokens[2]);
      expect(engine.counters(flow)).toMatchObject({ packetsIn: 0, probed: 5 });
    });

    test('a token is proven by a right tag on the newest packet only', async () => {
      const setup = bench();
      const { engine, events } = setup;
      const { peer, link, bound } = await trunk(setup);
      const out = await setup.endpoint();
      const port = await mediaPort(engine);
      const suite = 'AES_CM_128_HMAC_SHA1_80';
      const sender = new SrtpSender({ suite: findSuite(suite)!, master: MASTER(suite), maxSources: 1 });
      const crypto = engine.addCrypto({ direction: 'unprotect', suite, master: MASTER(suite) });
      const flow = engine.addFlow(
        plain({
          input: { kind: 'channel', link, channel: 0x5000, tokened: true },
          unprotect: [crypto],
          rtp: { kind: 'port', port: port.id, remote: out.address },
        }),
      );
      const sealed = [1, 2, 3].map((sequence) => sender.protectRtp(rtp(sequence), 0) as Buffer);
      const probe = (token: string, packet: Buffer): Promise<void> =>
        peer.send(channelData(0x5000, Buffer.concat([Buffer.from(token, 'hex'), packet])), bound);
      await probe('0000000a', rtp(9, 'a forged packet of enough bytes'));
      await probe('0000', Buffer.alloc(0));
      await probe('0000000b', sealed[1]!);
      await probe('0000000c', sealed[1]!); // replayed from elsewhere
      await probe('0000000d', sealed[0]!); // late, right tag
      await probe('0000000b', sealed[2]!); // told a moment ago
      for (const sequence of [2, 1, 3]) expect((await out.next()).bytes).toEqual(rtp(sequence));
      await expect.poll(() => events, { interval: 1 }).toEqual([{ type: 'proven', flow, token: 0xb }]);
      expect(engine.counters(flow).drops).toMatchObject({ 'bad-tag': 1, replay: 1, short: 1 });
      setup.sweep();
      expect(events.at(-1)).toEqual({ type: 'bad-tags', flow, packets: 1 });
      setup.sweep();
      expect(events.length).toBe(2);
    });
  });

  describe.each(SUITES.map((suite) => suite.name))('%s', (suite) => {
    test('opened on one side, sealed on the other, two keys at once, states readable', async () => {
      const setup = bench();
      const { engine } = setup;
      const { peer, link, bound } = await trunk(setup);
      const port = await mediaPort(engine);
      const inside = await setup.endpoint();
      const newMaster = { key: Buffer.alloc(findSuite(suite)!.keyBytes, 9), salt: MASTER(suite).salt };
      const context = { suite: findSuite(suite)!, master: MASTER(suite), maxSources: 2 };
      const [before, after] = [new SrtpSender(context), new SrtpSender({ ...context, master: newMaster })];
      const fresh = engine.addCrypto({ direction: 'unprotect', suite, master: newMaster });
      const old = engine.addCrypto({ direction: 'unprotect', suite, master: MASTER(suite) });
      const seal = engine.addCrypto({ direction: 'protect', suite, master: MASTER(suite) });
      const remote = { kind: 'port', port: port.id, remote: inside.address } as const;
      engine.addFlow(
        plain({
          input: { kind: 'channel', link, channel: 0x4000, tokened: false },
          unprotect: [fresh, old],
          rtp: remote,
          rtcp: remote,
        }),
      );
      const accept = { kind: 'exact', source: inside.address } as const;
      const toLink = { kind: 'channel', link, channel: 0x4000 } as const;
      engine.addFlow(
        plain({ input: { kind: 'port', port: port.id, accept }, protect: seal, rtp: toLink, rtcp: toLink }),
      );
      await peer.send(channelData(0x4000, before.protectRtp(rtp(1), 0) as Buffer), bound);
      await peer.send(channelData(0x4000, after.protectRtp(rtp(2), 0) as Buffer), bound);
      await peer.send(channelData(0x4000, before.protectRtcp(RTCP, 0) as Buffer), bound);
      for (const expected of [rtp(1), rtp(2), RTCP]) expect((await inside.next()).bytes).toEqual(expected);
      expect(engine.cryptoStates(old)).toMatchObject([
        { ssrc: 77, rtpIndex: 1, rtcpIndex: -1 },
        { ssrc: 7, rtpIndex: -1, rtcpIndex: 0 },
      ]);
      const receiver = new SrtpReceiver(context);
      await inside.send(rtp(5), port.bound);
      await inside.send(RTCP, port.bound);
      const [sealed, report] = [(await peer.next()).bytes, (await peer.next()).bytes];
      expect(receiver.unprotectRtp(sealed.subarray(4))).toMatchObject({ packet: rtp(5) });
      expect(receiver.unprotectRtcp(report.subarray(4))).toMatchObject({ packet: RTCP });
    });
  });

  describe('life of handles', () => {
    test('idle and active are told once each', async () => {
      const { engine, events, clock, endpoint, sweep } = bench();
      const friend = await endpoint();
      const port = await mediaPort(engine);
      const accept = { kind: 'exact', source: friend.address } as const;
      const input = { kind: 'port', port: port.id, accept } as const;
      const flow = engine.addFlow(plain({ input, idleAfterMs: 5000 }));
      clock.now += 4999;
      sweep();
      expect(events).toEqual([]);
      clock.now += 1;
      sweep();
      sweep();
      await friend.send(rtp(1), port.bound);
      await drops(engine, flow, 'no-destination', 1);
      await expect
        .poll(() => events, { interval: 1 })
        .toEqual([
          { type: 'idle', flow },
          { type: 'active', flow },
        ]);
    });

    test('a taken port, a taken input, unknown handles and full tables are refused by name', async () => {
      const { engine } = bench();
      const port = await mediaPort(engine);
      await expect(engine.openPort({ bind: port.bound, use: 'media' })).rejects.toMatchObject({
        code: 'address-in-use',
      });
      await expect(
        engine.openPort({ bind: { address: '192.0.2.1', port: 0 }, use: 'media' }),
      ).rejects.toMatchObject({
        code: 'bind-failed',
      });
      const input = { kind: 'port', port: port.id, accept: { kind: 'none' } } as const;
      const flow = engine.addFlow(plain({ input }));
      expect(() => engine.addFlow(plain({ input }))).toThrow('another flow has this port');
      expect(() => engine.addLink(port.id, undefined)).toThrow('no trunk port');
      expect(() => engine.changeFlow(flow, { protect: 99 })).toThrow('no protect key 99');
      expect(() => engine.counters(99)).toThrow('no flow 99');
      while (engine.sizes().ports < 8) await mediaPort(engine);
      await expect(mediaPort(engine)).rejects.toMatchObject({ code: 'full' });
      await engine.close();
      await expect(mediaPort(engine)).rejects.toMatchObject({ code: 'closed' });
    });

    test('a thousand openings and closings leave nothing behind', async () => {
      const { engine } = bench();
      const suite = 'AEAD_AES_128_GCM';
      for (let round = 0; round < 1000; round++) {
        const port = await mediaPort(engine);
        const crypto = engine.addCrypto({ direction: 'protect', suite, master: MASTER(suite) });
        const input = { kind: 'port', port: port.id, accept: { kind: 'none' } } as const;
        const flow = engine.addFlow(plain({ input, protect: crypto }));
        engine.removeFlow(flow);
        engine.removeCrypto(crypto);
        engine.closePort(port.id);
      }
      expect(engine.sizes()).toEqual({ ports: 0, links: 0, crypto: 0, flows: 0, captures: 0 });
    });
  });
});
