// The server on real sockets of loopback: data flows where it may and nowhere else (T-001 to T-004 by packets, not by
// status), two relays meet by the announced address, streams, closing, nothing left behind.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket as TcpSocket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { printChannelData } from './channel-data.ts';
import { TurnFramer } from './doors/turn-framer.ts';
import type { TransportAddress } from './ip-address.ts';
import { RELAY_ENGINES } from './relay/test-engines.ts';
import { ATTRIBUTE } from './stun-attribute.ts';
import { findAttribute, METHOD, parseStun } from './stun.ts';
import { addressesOf, sendIndication, TestClient, verdictOf } from './test-client.ts';
import { TEST_USER, testServer, type TestServerChanges } from './test-server.ts';
import type { TurnServer } from './turn-server.ts';

const HELLO = Buffer.from('hello');
const LOOPBACK = '127.0.0.1';
/** A peer that answers whatever it gets; 127.0.0.9 is nobody's own address. */
const PEER_ADDRESS = '127.0.0.9';
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** The engine of the suite that runs. */
let engine: 'native' | 'portable' = 'portable';

async function started(changes: TestServerChanges = {}): Promise<{ server: TurnServer; ports: number[] }> {
  const listeners = (['udp', 'tcp'] as const).map((transport) => ({
    transport,
    bind: { address: LOOPBACK, port: 0 },
  }));
  const server = testServer({ engine, ...changes, server: { listeners, ...changes.server } });
  const bound = await server.listen();
  closing.push(() => server.close('test ends'));
  return { server, ports: bound.map(({ bind }) => bind.port) };
}

async function udp(address: string): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  closing.push(() => socket.close());
  return socket;
}

async function echo(): Promise<{ peer: TransportAddress; received: Buffer[] }> {
  const socket = await udp(PEER_ADDRESS);
  const received: Buffer[] = [];
  socket.on('message', (bytes, { address, port }) => {
    received.push(bytes);
    socket.send(bytes, port, address);
  });
  return { peer: { address: PEER_ADDRESS, port: socket.address().port }, received };
}

/** A client with its socket: requests, relayed address, what arrives. */
class Client {
  readonly turn = new TestClient(TEST_USER);
  relayed: TransportAddress = { address: '', port: 0 };
  readonly #inbox: Buffer[] = [];
  readonly #waiting: ((bytes: Buffer) => void)[] = [];
  readonly write: (bytes: Buffer) => void;

  constructor(write: (bytes: Buffer) => void) {
    this.write = write;
  }

  arrived(bytes: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting) waiting(bytes);
    else this.#inbox.push(bytes);
  }

  next(): Promise<Buffer> {
    const bytes = this.#inbox.shift();
    return bytes ? Promise.resolve(bytes) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  ask(request: Buffer): Promise<Buffer> {
    this.write(request);
    return this.next();
  }

  async allocate(): Promise<this> {
    this.turn.learn(await this.ask(this.turn.allocate()));
    const answer = parseStun(await this.ask(this.turn.allocate()));
    const [relayed] = addressesOf(answer, ATTRIBUTE.xorRelayedAddress);
    if (relayed === undefined) throw new Error(`Allocate: ${verdictOf(answer.raw)}`);
    this.relayed = relayed;
    return this;
  }
}

async function udpClient(port: number): Promise<Client> {
  const socket = await udp(LOOPBACK);
  const client = new Client((bytes) => socket.send(bytes, port, LOOPBACK));
  socket.on('message', (bytes) => client.arrived(bytes));
  return client;
}

async function tcpClient(port: number): Promise<{ client: Client; socket: TcpSocket }> {
  const socket = connect(port, LOOPBACK);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  closing.push(() => socket.destroy());
  const client = new Client((bytes) => socket.write(bytes));
  const framer = new TurnFramer(70_000);
  socket.on('data', (chunk: Buffer) => {
    for (const { bytes } of framer.push(chunk)) client.arrived(bytes);
  });
  return { client, socket };
}

const ALLOWED = { policy: { allow: ['127.0.0.0/8'] } };

describe.each(RELAY_ENGINES)('on the %s engine', (kind) => {
  beforeEach(() => {
    engine = kind;
  });

  describe('a relay', () => {
    test('carries indications and channel data both ways', async () => {
      const { ports, server } = await started(ALLOWED);
      const { peer } = await echo();
      const client = await (await udpClient(ports[0]!)).allocate();
      await client.ask(client.turn.createPermission(peer));
      client.write(sendIndication(peer, HELLO));
      const data = parseStun(await client.next());
      expect([data.method, findAttribute(data, ATTRIBUTE.data)]).toEqual([METHOD.data, HELLO]);
      await client.ask(client.turn.channelBind(0x4000, peer));
      expect(await client.ask(printChannelData(0x4000, HELLO, false))).toEqual(
        printChannelData(0x4000, HELLO, false),
      );
      expect(server.allocations()[0]).toMatchObject({
        user: 'alice',
        peers: [PEER_ADDRESS],
        traffic: { packetsFromClient: 2, packetsFromPeers: 2, bytesFromClient: 10, bytesFromPeers: 10 },
      });
    });

    test('over TCP, padded', async () => {
      const { ports } = await started(ALLOWED);
      const { peer } = await echo();
      const { client } = await tcpClient(ports[1]!);
      await client.allocate();
      await client.ask(client.turn.channelBind(0x4000, peer));
      expect(await client.ask(printChannelData(0x4000, HELLO, true))).toEqual(
        printChannelData(0x4000, HELLO, false),
      );
    });

    // T-001 to T-004: by data that flows, not by status alone
    test('reaches no denied peer by any road, and no peer reaches the client without permission', async () => {
      const { ports, server } = await started();
      const { peer, received } = await echo();
      const client = await (await udpClient(ports[0]!)).allocate();
      expect(verdictOf(await client.ask(client.turn.createPermission(peer)))).toBe('403');
      expect(verdictOf(await client.ask(client.turn.channelBind(0x4000, peer)))).toBe('403');
      client.write(sendIndication(peer, HELLO));
      client.write(printChannelData(0x4000, HELLO, false));
      const stranger = await udp(PEER_ADDRESS);
      stranger.send(HELLO, client.relayed.port, LOOPBACK);
      // A round trip through the same sockets: whatever was sent before has been dealt with.
      await client.ask(client.turn.refresh(600));
      await expect.poll(() => server.allocations()[0]?.traffic?.drops['no-permission']).toBe(2);
      expect(received).toEqual([]);
      expect(server.allocations()[0]?.traffic).toMatchObject({ packetsFromClient: 0, packetsFromPeers: 0 });
    });

    test('two relays of one node meet by the announced address', async () => {
      const announced = '203.0.113.50';
      const { ports } = await started({
        machine: { relayAddresses: [{ family: 4, bound: LOOPBACK, announced }] },
        own: [{ announced, reachable: LOOPBACK }],
      });
      const alice = await (await udpClient(ports[0]!)).allocate();
      const { client: bob } = await tcpClient(ports[1]!);
      await bob.allocate();
      expect([alice.relayed.address, bob.relayed.address]).toEqual([announced, announced]);
      await alice.ask(alice.turn.channelBind(0x4000, bob.relayed));
      await bob.ask(bob.turn.createPermission(alice.relayed));
      alice.write(printChannelData(0x4000, HELLO, false));
      const data = parseStun(await bob.next());
      expect(addressesOf(data, ATTRIBUTE.xorPeerAddress)).toEqual([alice.relayed]);
      bob.write(sendIndication(alice.relayed, HELLO));
      expect(await alice.next()).toEqual(printChannelData(0x4000, HELLO, false));
    });

    test('does not reach its own listener', async () => {
      const { ports, server } = await started();
      const client = await (await udpClient(ports[0]!)).allocate();
      const listener = { address: LOOPBACK, port: ports[0]! };
      expect(verdictOf(await client.ask(client.turn.channelBind(0x4000, listener)))).toBe('403');
      await client.ask(client.turn.createPermission(listener));
      client.write(sendIndication(listener, HELLO));
      await expect.poll(() => server.allocations()[0]?.traffic?.drops['port-denied']).toBe(1);
    });
  });

  describe('closing', () => {
    test('a stream that ends takes its allocation along', async () => {
      const { ports, server } = await started();
      const { client, socket } = await tcpClient(ports[1]!);
      await client.allocate();
      expect(server.sizes()).toMatchObject({ allocations: 1, relays: 1, streams: 1, streamOf: 1 });
      socket.destroy();
      await expect
        .poll(() => server.sizes())
        .toMatchObject({ allocations: 0, relays: 0, streams: 0, streamOf: 0 });
    });

    test('a stream that is no TURN, or has no allocation for too long, is closed', async () => {
      let tick = (): void => undefined;
      let now = 0;
      const { ports } = await started({
        server: { now: () => now, every: (_ms, work) => ((tick = work), () => undefined) },
      });
      const noise = await tcpClient(ports[1]!);
      noise.socket.write('GET / HTTP/1.1\r\n\r\n');
      await once(noise.socket, 'close');
      const idle = await tcpClient(ports[1]!);
      idle.client.turn.learn(await idle.client.ask(idle.client.turn.allocate()));
      now = 30_001;
      tick();
      await once(idle.socket, 'close');
    });

    test('the server takes every socket along, and a listener that is taken leaves nothing open', async () => {
      const { ports, server } = await started();
      const { client, socket } = await tcpClient(ports[1]!);
      await client.allocate();
      const second = testServer({
        server: { listeners: [{ transport: 'tcp', bind: { address: LOOPBACK, port: ports[1]! } }] },
      });
      await expect(second.listen()).rejects.toThrow(/EADDRINUSE/);
      await server.close('test');
      await server.close('again');
      if (!socket.closed) await once(socket, 'close');
      expect(server.sizes()).toMatchObject({ relays: 0, streams: 0 });
    });
  });

  test('streams of one address have a limit', async () => {
    const refused: string[] = [];
    const limits = { maxConnections: 10, maxConnectionsPerAddress: 1, maxHandshakes: 10 };
    const base = {
      handshakeTimeoutMs: 1_000,
      unprovenTimeoutMs: 1_000,
      maxUnprovenFrameBytes: 500,
      maxFrameBytes: 500,
    };
    const { ports } = await started({
      server: {
        stream: { ...base, ...limits, maxQueueBytes: 1_000 },
        count: (event, reason) => event === 'turn-stream-refused' && refused.push(reason ?? ''),
      },
    });
    const first = await tcpClient(ports[1]!);
    const second = await tcpClient(ports[1]!);
    await once(second.socket, 'close');
    expect(refused).toEqual(['connections-per-address']);
    first.socket.destroy();
  });

  // T-008: ten thousand strangers leave nothing
  test('a flood of requests without credentials keeps nothing and does not disturb a relay', async () => {
    const { ports, server } = await started(ALLOWED);
    const { peer } = await echo();
    const client = await (await udpClient(ports[0]!)).allocate();
    await client.ask(client.turn.channelBind(0x4000, peer));
    const before = server.sizes();
    const flood = await udp(LOOPBACK);
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 100; index++) {
        flood.send(new TestClient(TEST_USER).allocate(), ports[0], LOOPBACK);
      }
      expect(await client.ask(printChannelData(0x4000, HELLO, false))).toEqual(
        printChannelData(0x4000, HELLO, false),
      );
    }
    expect(server.sizes()).toEqual(before);
  });
});
