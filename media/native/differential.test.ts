// The native engine beside its portable twin: the same random datagrams to both, and what comes out, byte for byte,
// and every counter, must be the same. Seeds are fixed, so that a failure comes again.
import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import type { TransportAddress } from '../../turn/index.ts';
import type { EngineEvent, FlowId, FlowSpec, MediaEngine, OpenedPort } from '../engine.ts';
import { LoopbackEndpoint } from '../loopback-endpoint.ts';
import type { EngineLimits } from '../portable-engine/portable-engine.ts';
import { SUITES, type Suite } from '../srtp-suites.ts';
import { SrtpSender } from '../srtp.ts';
import { ENGINES } from '../test-engines.ts';

const LIMITS: EngineLimits = {
  maxPorts: 8,
  maxFlows: 8,
  maxLinks: 2,
  maxSourcesPerKey: 3,
  stunPerSecond: 10,
  trunkBufferBytes: 1 << 20,
  maxCaptureBytes: 1 << 20,
};
const LOCAL = { address: '127.0.0.1', port: 0 };
/** How long a busy machine may keep the native thread waiting before a difference is one. */
const SETTLE_MS = 3000;
const BATCHES = 30;
const PER_BATCH = 40;
/** Channels of the link: opened on one, opened under a token on the next, sealed on the third, both on the last. */
const CHANNEL = { opened: 0x4001, tokened: 0x4002, sealed: 0x4003, both: 0x4004, plain: 0x4005 } as const;

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % limit;
  };
}

const master = (suite: Suite, fill: number): { key: Buffer; salt: Buffer; mki?: Buffer } => ({
  key: Buffer.alloc(suite.keyBytes, fill),
  salt: Buffer.alloc(suite.saltBytes, fill + 1),
});

/** One engine with the same five flows, the peers around it and what they have heard. */
interface Rig {
  readonly engine: MediaEngine;
  readonly events: readonly EngineEvent[];
  readonly flows: readonly FlowId[];
  readonly link: number;
  readonly peer: LoopbackEndpoint;
  readonly client: LoopbackEndpoint;
  readonly stranger: LoopbackEndpoint;
  readonly trunk: TransportAddress;
  readonly ports: readonly TransportAddress[];
}

async function rig(open: (typeof ENGINES)[number][1], suite: Suite): Promise<Rig> {
  const events: EngineEvent[] = [];
  const { engine } = open(LIMITS, (event) => events.push(event));
  cleanups.push(() => engine.close());
  const endpoint = async (): Promise<LoopbackEndpoint> => {
    const opened = await LoopbackEndpoint.open();
    cleanups.push(() => opened.close());
    return opened;
  };
  const [peer, client, stranger] = [await endpoint(), await endpoint(), await endpoint()];
  const trunk = await engine.openPort({ bind: LOCAL, use: 'trunk' });
  const link = engine.addLink(trunk.id, peer.address);
  const ports: OpenedPort[] = [];
  for (let index = 0; index < 3; index++) ports.push(await engine.openPort({ bind: LOCAL, use: 'media' }));
  const key = (direction: 'protect' | 'unprotect', fill: number): number =>
    engine.addCrypto({ direction, suite: suite.name, master: master(suite, fill) });
  const toClient = { kind: 'port', port: ports[0]!.id, remote: client.address } as const;
  const toLink = (channel: number) => ({ kind: 'channel', link, channel }) as const;
  const both = (output: NonNullable<FlowSpec['rtp']>) => ({ rtp: output, rtcp: output });
  const fromChannel = (channel: number, tokened = false) =>
    ({ kind: 'channel', link, channel, tokened }) as const;
  const fromClient = (index: number) => {
    const accept = { kind: 'exact', source: client.address } as const;
    return { kind: 'port', port: ports[index]!.id, accept } as const;
  };
  const probe = { link, channel: 0x5000, maxSources: 2, packetsPerSecond: 0 };
  const idleAfterMs = 0;
  const specs: FlowSpec[] = [
    {
      input: fromChannel(CHANNEL.opened),
      content: 'rtp',
      unprotect: [key('unprotect', 1), key('unprotect', 3)],
      ...both(toClient),
      idleAfterMs,
    },
    {
      input: fromChannel(CHANNEL.tokened, true),
      content: 'rtp',
      unprotect: [key('unprotect', 1)],
      ...both(toClient),
      idleAfterMs,
    },
    {
      input: fromClient(1),
      content: 'rtp',
      unprotect: [],
      protect: key('protect', 5),
      ...both(toLink(CHANNEL.sealed)),
      probe,
      idleAfterMs,
    },
    {
      input: fromChannel(CHANNEL.both),
      content: 'rtp',
      unprotect: [key('unprotect', 3)],
      protect: key('protect', 7),
      rtp: toLink(CHANNEL.both),
      idleAfterMs,
    },
    {
      input: fromClient(2),
      content: 'opaque',
      unprotect: [],
      rtp: toLink(CHANNEL.plain),
      idleAfterMs,
    },
  ];
  const flows = specs.map((spec) => engine.addFlow(spec));
  const bound = ports.map((port) => port.bound);
  return { engine, events, flows, link, peer, client, stranger, trunk: trunk.bound, ports: bound };
}

/** A packet and where it goes, told without addresses, so that both rigs get the same. */
interface Shot {
  readonly from: 'peer' | 'client' | 'stranger';
  readonly to: 'trunk' | number;
  readonly bytes: Buffer;
}

function framed(channel: number, packet: Buffer, length = packet.length): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16BE(channel);
  head.writeUInt16BE(length, 2);
  return Buffer.concat([head, packet]);
}

/** Random traffic: mostly right, some of it replayed, cut, bent, foreign or from another world. */
class Traffic {
  readonly #random: (limit: number) => number;
  readonly #senders: readonly SrtpSender[];
  readonly #sequences = new Map<number, number>();
  readonly #past: Shot[] = [];

  constructor(suite: Suite, seed: number) {
    this.#random = numbers(seed);
    this.#senders = [1, 3].map(
      (fill) => new SrtpSender({ suite, master: master(suite, fill), maxSources: 8 }),
    );
  }

  next(): Shot {
    const roll = this.#random(20);
    if (roll < 3 && this.#past.length > 0) return this.#past[this.#random(this.#past.length)]!;
    const shot = this.#fresh();
    if (roll === 3) return { ...shot, bytes: this.#bent(shot.bytes) };
    if (roll === 4) return { ...shot, bytes: shot.bytes.subarray(0, this.#random(shot.bytes.length + 1)) };
    if (roll === 5) return { ...shot, from: 'stranger' };
    if (roll === 6) return { ...shot, bytes: this.#bytes(this.#random(60)) };
    this.#past.push(shot);
    if (this.#past.length > 300) this.#past.shift();
    return shot;
  }

  #fresh(): Shot {
    const control = this.#random(6) === 0;
    const packet = control ? this.#rtcp() : this.#rtp();
    const kind = this.#random(5);
    if (kind < 2) return { from: 'client', to: kind + 1, bytes: packet };
    const sender = this.#senders[kind === 4 ? 1 : this.#random(2)]!;
    const sealed = control ? sender.protectRtcp(packet, 0) : sender.protectRtp(packet, 0);
    const wire = typeof sealed === 'string' ? packet : sealed;
    const channel = [CHANNEL.opened, CHANNEL.tokened, CHANNEL.both][kind - 2]!;
    const bytes = channel === CHANNEL.tokened ? Buffer.concat([this.#bytes(4), wire]) : wire;
    return { from: 'peer', to: 'trunk', bytes: framed(channel + (this.#random(30) === 0 ? 100 : 0), bytes) };
  }

  #rtp(): Buffer {
    const ssrc = 1 + this.#random(4);
    const jump = [1, 1, 1, 1, 1, 1, 1, 2, 200, 0xfff0][this.#random(10)]!;
    const sequence = ((this.#sequences.get(ssrc) ?? 65_500) + jump) & 0xffff;
    this.#sequences.set(ssrc, sequence);
    const csrcs = this.#random(3);
    const extended = this.#random(3) === 0;
    const extension = Buffer.alloc(extended ? 4 + this.#random(3) * 4 : 0, 0xbe);
    if (extended) extension.writeUInt16BE(extension.length / 4 - 1, 2);
    const head = Buffer.alloc(12 + csrcs * 4);
    head[0] = 0x80 | (extended ? 0x10 : 0) | csrcs;
    head[1] = this.#random(64);
    head.writeUInt16BE(sequence, 2);
    head.writeUInt32BE(ssrc, 8);
    return Buffer.concat([head, extension, this.#bytes(this.#random(3) === 0 ? this.#random(1200) : 160)]);
  }

  #rtcp(): Buffer {
    const packet = this.#bytes(8 + this.#random(20) * 4);
    packet[0] = 0x80;
    packet[1] = 200 + this.#random(7);
    packet.writeUInt32BE(1 + this.#random(4), 4);
    return packet;
  }

  #bent(bytes: Buffer): Buffer {
    const bent = Buffer.from(bytes);
    if (bent.length > 0) bent[this.#random(bent.length)]! ^= 1 << this.#random(8);
    return bent;
  }

  #bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.#random(256)));
  }
}

/** All that an engine has counted so far: equal on both when both have dealt with the same packets. */
function counted(rig: Rig): object {
  return {
    flows: rig.flows.map((flow) => rig.engine.counters(flow)),
    link: rig.engine.linkCounters(rig.link),
  };
}

/** Loopback has delivered what is sent: a few turns of the event loop later the portable engine has dealt with it. */
async function settled(native: Rig, twin: Rig): Promise<void> {
  for (let count = 0; count < 4; count++) await turn();
  const until = performance.now() + SETTLE_MS;
  while (!isDeepStrictEqual(counted(native), counted(twin)) && performance.now() < until) await turn();
  expect(counted(native)).toEqual(counted(twin));
}

function heard(endpoint: LoopbackEndpoint, from: number): string[] {
  return endpoint.received
    .slice(from)
    .map(({ bytes }) => bytes.toString('hex'))
    .toSorted();
}

describe.skipIf(ENGINES.length < 2)('native beside portable', () => {
  test.each(SUITES.map((suite) => [suite.name, suite] as const))('%s', async (_name, suite) => {
    const rigs = [];
    for (const [, open] of ENGINES) rigs.push(await rig(open, suite));
    const [twin, native] = rigs as [Rig, Rig];
    const traffic = new Traffic(suite, suite.keyBytes * 7 + suite.rtpTagBytes);
    for (let batch = 0; batch < BATCHES; batch++) {
      const shots = Array.from({ length: PER_BATCH }, () => traffic.next());
      const before = rigs.map(({ peer, client }) => [peer.received.length, client.received.length] as const);
      for (const [index, shot] of shots.entries()) {
        for (const { trunk, ports, ...rest } of rigs) {
          const to = shot.to === 'trunk' ? trunk : ports[shot.to]!;
          await rest[shot.from].send(shot.bytes, to);
        }
        // One port at a time: between ports no order is promised.
        if (shots[index + 1]?.to !== shot.to) {
          await settled(native, twin);
        }
      }
      await expect.poll(() => native.peer.received.length, { interval: 1 }).toBe(twin.peer.received.length);
      await expect
        .poll(() => native.client.received.length, { interval: 1 })
        .toBe(twin.client.received.length);
      expect(heard(native.peer, before[1]![0])).toEqual(heard(twin.peer, before[0]![0]));
      expect(heard(native.client, before[1]![1])).toEqual(heard(twin.client, before[0]![1]));
    }
    const { flows } = counted(twin) as { flows: { packetsOut: number }[] };
    expect(flows.every(({ packetsOut }) => packetsOut > BATCHES)).toBe(true);
  });
});
