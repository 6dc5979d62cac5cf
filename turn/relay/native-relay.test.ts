// What only the native relay can do or get wrong: DF, ICMP errors, queues between its thread and JavaScript, closing in
// full flight.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { printChannelData } from '../channel-data.ts';
import type { TransportAddress } from '../ip-address.ts';
import { ATTRIBUTE } from '../stun-attribute.ts';
import { findAttribute, METHOD, parseStun } from '../stun.ts';
import { addressesOf, sendIndication, TestClient } from '../test-client.ts';
import { TEST_USER } from '../test-server.ts';
import { UdpSocket } from '../udp-socket.ts';
import { loadRelayBinding } from './native-binding.ts';
import { NativeRelay } from './native-relay.ts';
import { relayRefusal, type ClientEnd, type RelayEvents, type StrayReason } from './relay-engine.ts';

const binding = loadRelayBinding();
const LOOPBACK = '127.0.0.1';
const HELLO = Buffer.from('hello');
const DONT_FRAGMENT = { type: ATTRIBUTE.dontFragment, value: Buffer.alloc(0) };
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function udp(address = LOOPBACK): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  closing.push(() => socket.close());
  return socket;
}

/** A socket that sends in the call, where node:dgram waits for a turn of the loop. */
async function atOnce(): Promise<UdpSocket> {
  const socket = await UdpSocket.open({
    bind: { address: LOOPBACK, port: 0 },
    bufferBytes: undefined,
    onPacket: () => undefined,
    onFailure: () => undefined,
    refusal: relayRefusal,
  });
  closing.push(() => socket.close());
  return socket;
}

interface Rig {
  readonly relay: NativeRelay;
  readonly strays: Map<StrayReason, number>;
  readonly failures: string[];
  readonly sweep: () => void;
  readonly listener: number;
  readonly at: TransportAddress;
}

async function rig(onControl: RelayEvents['onControl'] = () => undefined): Promise<Rig> {
  if ('missing' in binding) throw new Error(binding.missing);
  const strays: Rig['strays'] = new Map();
  const failures: string[] = [];
  let sweep = (): void => undefined;
  const relay = new NativeRelay(binding, {
    own: [],
    listenerBufferBytes: 4 << 20,
    relayBufferBytes: 1 << 18,
    maxRelays: 1_000,
    controlsPerSecond: 10,
    sweepMs: 1_000,
    every: (_ms, work) => ((sweep = work), () => undefined),
    events: {
      onControl,
      onStray: (reason, packets) => strays.set(reason, (strays.get(reason) ?? 0) + packets),
      onFailure: (where, code) => failures.push(`${where} ${code}`),
    },
  });
  closing.push(() => relay.close());
  const { id, bound } = await relay.openListener({ address: LOOPBACK, port: 0 });
  return { relay, strays, failures, sweep: () => sweep(), listener: id, at: bound };
}

/** An allocation of `client` with a permission for every port of 127.0.0.9. */
async function allocated(relay: NativeRelay, allocation: number, client: ClientEnd): Promise<void> {
  const bound = { address: LOOPBACK, port: 0 };
  await relay.open({ allocation, client, relays: [{ family: 4, bound, announced: bound }] });
  relay.permit(allocation, '127.0.0.9', undefined);
}

/** A client's end by UDP and the socket behind it. */
async function client(listener: number): Promise<{ socket: Socket; end: ClientEnd }> {
  const socket = await udp();
  return { socket, end: { kind: 'udp', listener, remote: socket.address() } };
}

const next = async (socket: Socket): Promise<Buffer> => ((await once(socket, 'message')) as [Buffer])[0];

/** A port of 127.0.0.9 that nobody listens at. */
async function closedPort(): Promise<TransportAddress> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.9');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return { address: '127.0.0.9', port };
}

describe.skipIf('missing' in binding)('the native relay', () => {
  test('obeys DONT-FRAGMENT in Send', async () => {
    const { relay, listener, at } = await rig();
    const { socket, end } = await client(listener);
    await allocated(relay, 1, end);
    const peer = await udp('127.0.0.9');
    socket.send(sendIndication(peer.address(), HELLO, DONT_FRAGMENT), at.port, at.address);
    expect(await next(peer)).toEqual(HELLO);
    expect(relay.counters(1)).toMatchObject({ packetsFromClient: 1, drops: { malformed: 0 } });
  });

  // RFC 8656 §11.5, §18.13; and the packet after it, which the kernel fails once
  test.each([
    ['Send', [] as const],
    ['Send with DONT-FRAGMENT', [DONT_FRAGMENT] as const],
  ])('tells the client of an ICMP error about his %s, and loses nothing after it', async (_name, more) => {
    const { relay, listener, at } = await rig();
    const { socket, end } = await client(listener);
    await allocated(relay, 1, end);
    const nobody = await closedPort();
    const send = (peer: TransportAddress): void =>
      socket.send(sendIndication(peer, HELLO, ...more), at.port, at.address);
    send(nobody);
    const message = parseStun(await next(socket));
    expect([message.class, message.method]).toEqual(['indication', METHOD.data]);
    expect(addressesOf(message, ATTRIBUTE.xorPeerAddress)).toEqual([nobody]);
    expect(findAttribute(message, ATTRIBUTE.data)).toBeUndefined();
    // type 3 in 7 bits, code 3 in 9: port unreachable
    expect(findAttribute(message, ATTRIBUTE.icmp)?.toString('hex')).toBe('0000060300000000');
    const peer = await udp('127.0.0.9');
    send(nobody);
    send(peer.address());
    expect(await next(peer)).toEqual(HELLO);
    expect(relay.counters(1)?.drops['socket-error']).toBe(0);
  });

  test('tells a client on a stream of it too, and of no packet beside it', async () => {
    const { relay } = await rig();
    const told: Buffer[] = [];
    await allocated(relay, 1, { kind: 'stream', send: (bytes) => told.push(bytes) > 0 });
    relay.fromStream(1, sendIndication(await closedPort(), HELLO));
    await expect.poll(() => told.length).toBe(1);
    const message = parseStun(told[0]!);
    expect(findAttribute(message, ATTRIBUTE.icmp)?.toString('hex')).toBe('0000060300000000');
    expect(relay.counters(1)?.packetsFromPeers).toBe(0);
  });

  // T-008: the queue of strangers is short, and a client's request does not wait behind it
  test('a flood of strangers is dropped at the queue, counted, and passed by a client', async () => {
    const heard: number[] = [];
    const { relay, strays, sweep, listener, at } = await rig((_listener, remote) => heard.push(remote.port));
    const peer = await udp('127.0.0.9');
    const [socket, flood] = [await atOnce(), await atOnce()];
    await allocated(relay, 1, { kind: 'udp', listener, remote: socket.bound });
    const request = new TestClient(TEST_USER).allocate();
    // No turn of the loop in between: JavaScript takes nothing meanwhile.
    while ((strays.get('strangers-queue') ?? 0) < 100) {
      for (let index = 0; index < 1_000; index++) flood.send(request, at.address, at.port);
      sweep();
    }
    // The thread has the request when what came after it in the same socket was relayed.
    while (relay.counters(1)?.packetsFromClient === 0) {
      socket.send(request, at.address, at.port);
      socket.send(sendIndication(peer.address(), HELLO), at.address, at.port);
    }
    await expect.poll(() => heard.includes(socket.bound.port)).toBe(true);
    const before = heard.indexOf(socket.bound.port);
    // What was in JavaScript's hands already, at most: one turn of strangers.
    expect(before).toBeLessThan(400);
  });

  test('a client that asks more than any client has need of is a stranger', async () => {
    const heard: number[] = [];
    const { relay, listener, at } = await rig((_listener, remote) => heard.push(remote.port));
    const { socket, end } = await client(listener);
    await allocated(relay, 1, end);
    const request = new TestClient(TEST_USER).refresh(600);
    for (let index = 0; index < 40; index++) socket.send(request, at.port, at.address);
    await expect.poll(() => heard.length).toBe(40);
  });

  test('carries a train of a client with many channels in order', async () => {
    const { relay, listener, at } = await rig();
    const { socket, end } = await client(listener);
    await allocated(relay, 1, end);
    const peer = await udp('127.0.0.9');
    relay.bindChannel(1, 0x4000, peer.address());
    const arrived: number[] = [];
    const echoed: number[] = [];
    peer.on('message', (bytes, { address, port }) => {
      arrived.push(bytes.readUInt16BE());
      peer.send(bytes, port, address);
    });
    socket.on('message', (bytes: Buffer) => echoed.push(bytes.readUInt16BE(4)));
    const order = Array.from({ length: 100 }, (_, index) => index);
    for (const index of order) {
      const payload = Buffer.alloc(2 + ((index * 37) % 1_200), index);
      payload.writeUInt16BE(index);
      socket.send(printChannelData(0x4000, payload, false), at.port, at.address);
    }
    await expect.poll(() => echoed.length).toBe(100);
    expect([arrived, echoed]).toEqual([order, order]);
  });

  // From 64 packets on a peer has a connected socket beside the relayed address; nobody may notice.
  test('a peer who gets much is heard, others of the relay too, and the port is free afterwards', async () => {
    const { relay, listener, at } = await rig();
    const { socket, end } = await client(listener);
    const bound = { address: LOOPBACK, port: (await closedPort()).port };
    const relays = [{ family: 4, bound, announced: bound }] as const;
    await relay.open({ allocation: 1, client: end, relays });
    relay.permit(1, '127.0.0.9', undefined);
    const [peer, other] = [await udp('127.0.0.9'), await udp('127.0.0.9')];
    relay.bindChannel(1, 0x4000, peer.address());
    peer.on('message', (bytes, { address, port }) => peer.send(bytes, port, address));
    for (let round = 0; round < 30; round++) {
      let left = 20;
      const all = new Promise<void>((resolve) => {
        const heard = (): void => void (--left === 0 && (socket.off('message', heard), resolve()));
        socket.on('message', heard);
      });
      for (let index = 0; index < 20; index++)
        socket.send(printChannelData(0x4000, HELLO, false), at.port, at.address);
      await all;
    }
    other.send(HELLO, bound.port, bound.address);
    const data = parseStun(await next(socket));
    const { port } = other.address();
    expect(addressesOf(data, ATTRIBUTE.xorPeerAddress)).toEqual([{ address: '127.0.0.9', port }]);
    const { packetsFromClient, packetsFromPeers, drops } = relay.counters(1)!;
    expect([packetsFromClient, packetsFromPeers, drops['socket-error']]).toEqual([600, 601, 0]);
    const taken = relay.open({ allocation: 2, client: end, relays });
    await expect(taken).rejects.toMatchObject({ code: 'address-in-use' });
    relay.closeRelay(1);
    await relay.open({ allocation: 3, client: end, relays });
  });

  test.each(['throw', 'end'] as const)(
    'a thread that dies (%s) is replaced, told by name, and nobody loses his relay',
    async (how) => {
      const { relay, failures, listener, at } = await rig();
      const { socket, end } = await client(listener);
      await allocated(relay, 1, end);
      const peer = await udp('127.0.0.9');
      relay.bindChannel(1, 0x4000, peer.address());
      peer.on('message', (bytes, { address, port }) => peer.send(bytes, port, address));
      for (let round = 1; round <= 3; round++) {
        // Enough that the peer has a connected socket, which the thread alone knows.
        for (let index = 0; index < 100; index++) {
          socket.send(printChannelData(0x4000, HELLO, false), at.port, at.address);
          expect(await next(socket)).toEqual(printChannelData(0x4000, HELLO, false));
        }
        relay.disturb(how);
        await expect.poll(() => failures.length, { interval: 1 }).toBe(round);
      }
      expect(new Set(failures)).toEqual(new Set(['engine thread-ended']));
      expect(relay.counters(1)?.packetsFromPeers).toBe(300);
    },
  );

  test('allocations come and go, and it closes, with packets in flight', async () => {
    for (let round = 0; round < 5; round++) {
      const { relay, listener, at } = await rig();
      const { socket, end } = await client(listener);
      const peer = await udp('127.0.0.9');
      for (let id = 1; id < 100; id++) {
        await allocated(relay, id, end);
        relay.bindChannel(id, 0x4000, peer.address());
        for (let index = 0; index < 5; index++) {
          socket.send(printChannelData(0x4000, HELLO, false), at.port, at.address);
          socket.send(sendIndication(peer.address(), HELLO), at.port, at.address);
        }
        if (id % 10 === 0) await turn();
        relay.closeRelay(id);
      }
      expect(relay.sizes()).toEqual({ listeners: 1, relays: 0 });
      await relay.close();
      await relay.close();
    }
  });
});
