// TCP allocations on real sockets of loopback: bytes flow between a client's stream and a peer's in both directions and in
// order, a side that reads slowly holds the other back, and whatever ends leaves nothing open.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { TurnFramer } from '../doors/turn-framer.ts';
import type { TransportAddress } from '../ip-address.ts';
import { loadTurnBinding } from '../native/binding.ts';
import { ATTRIBUTE } from '../stun-attribute.ts';
import { findAttribute, METHOD, parseStun } from '../stun.ts';
import { addressesOf, TestClient, verdictOf } from '../test-client.ts';
import { TEST_USER, testServer, type TestServerChanges } from '../test-server.ts';
import type { TurnServer } from '../turn-server.ts';

const LOOPBACK = '127.0.0.1';
const PEER_ADDRESS = '127.0.0.9';
const ALLOWED: TestServerChanges = { policy: { allow: ['127.0.0.0/8'] } };
const missing = 'missing' in loadTurnBinding();
if (missing) process.stderr.write('SKIPPED TCP allocations: the compiled parts of TURN are missing\n');

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function started(changes: TestServerChanges = ALLOWED): Promise<{ server: TurnServer; port: number }> {
  const listeners = [{ transport: 'tcp' as const, bind: { address: LOOPBACK, port: 0 } }];
  const server = testServer({ ...changes, server: { listeners, ...changes.server } });
  const [bound] = await server.listen();
  closing.push(() => server.close('test ends'));
  return { server, port: bound!.bind.port };
}

/** A peer that does `serve` with whoever comes. */
async function peerThat(serve: (socket: Socket) => void): Promise<TransportAddress> {
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    serve(socket);
  });
  listener.listen(0, PEER_ADDRESS);
  await once(listener, 'listening');
  closing.push(() => listener.close());
  const at = listener.address();
  if (at === null || typeof at === 'string') throw new Error('no port');
  return { address: PEER_ADDRESS, port: at.port };
}

async function dial(port: number, address = LOOPBACK, localAddress?: string): Promise<Socket> {
  const socket = connect({ port, host: address, ...(localAddress && { localAddress }) });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  closing.push(() => socket.destroy());
  return socket;
}

/** One stream that speaks TURN until it is bound. */
class Stream {
  readonly socket: Socket;
  readonly #framer = new TurnFramer(70_000);
  constructor(socket: Socket) {
    this.socket = socket;
  }

  async next(): Promise<Buffer> {
    for (;;) {
      const [chunk] = (await once(this.socket, 'data')) as [Buffer];
      for (const { bytes } of this.#framer.push(chunk)) return bytes;
    }
  }

  ask(request: Buffer): Promise<Buffer> {
    const answer = this.next();
    this.socket.write(request);
    return answer;
  }
}

/** A client with a TCP allocation and its relayed address. */
async function allocated(port: number) {
  const control = new Stream(await dial(port));
  const turn = new TestClient(TEST_USER);
  turn.learn(await control.ask(turn.allocate()));
  const [relayed] = addressesOf(
    parseStun(await control.ask(turn.allocateTcp())),
    ATTRIBUTE.xorRelayedAddress,
  );
  return { control, turn, relayed: relayed! };
}

const idOf = (bytes: Buffer): number =>
  findAttribute(parseStun(bytes), ATTRIBUTE.connectionId)!.readUInt32BE();

/** The data connection of an id. `early` goes out with the request, against the rule to wait for the answer. */
async function bound(port: number, turn: TestClient, id: number, early = ''): Promise<Socket> {
  const data = new Stream(await dial(port));
  const request = Buffer.concat([turn.connectionBind(id), Buffer.from(early)]);
  expect(verdictOf(await data.ask(request))).toBe('success');
  return data.socket;
}

describe.skipIf(missing)('a connection to a peer', () => {
  test('comes from the relayed address and carries bytes both ways', async () => {
    const { server, port } = await started();
    let from: TransportAddress | undefined;
    const peer = await peerThat((socket) => {
      from = { address: socket.remoteAddress!, port: socket.remotePort! };
      socket.pipe(socket);
    });
    const { control, turn, relayed } = await allocated(port);
    const data = await bound(port, turn, idOf(await control.ask(turn.connect(peer))), 'early ');
    expect(from).toEqual(relayed);
    data.write('hello');
    let text = '';
    while (text.length < 11) text += String((await once(data, 'data'))[0]);
    expect(text).toBe('early hello');
    expect(server.allocations()[0]).toMatchObject({
      tcpTraffic: { bytesFromClient: 11, bytesFromPeers: 11 },
    });
    expect(server.sizes()).toMatchObject({ tcpRelays: 1, tcpPeers: 1, streams: 1, peerConnections: 1 });
    data.destroy();
    await expect.poll(() => server.sizes()).toMatchObject({ tcpPeers: 0, peerConnections: 0, streams: 1 });
  });

  test('what a peer says before it is bound waits for the client', async () => {
    const { port } = await started();
    const peer = await peerThat((socket) => socket.end('greeting'));
    const { control, turn } = await allocated(port);
    const id = idOf(await control.ask(turn.connect(peer)));
    const data = await dial(port);
    let all = Buffer.alloc(0);
    data.on('data', (chunk: Buffer) => (all = Buffer.concat([all, chunk])));
    data.write(turn.connectionBind(id));
    await once(data, 'close');
    expect(all.subarray(-8).toString()).toBe('greeting');
  });

  test('over IPv6', async () => {
    const six = { family: 6, bound: '::1', announced: '::1' } as const;
    const { port } = await started({
      policy: { allow: ['::1'], ownAddresses: [], relayAddresses: [] },
      machine: { relayAddresses: [six] },
    });
    const listener = createServer((socket) => socket.end('six'));
    listener.listen(0, '::1');
    await once(listener, 'listening');
    closing.push(() => listener.close());
    const control = new Stream(await dial(port));
    const turn = new TestClient(TEST_USER);
    turn.learn(await control.ask(turn.allocate()));
    const family = { type: ATTRIBUTE.requestedAddressFamily, value: Buffer.from([2, 0, 0, 0]) };
    expect(verdictOf(await control.ask(turn.allocateTcp(family)))).toBe('success');
    const at = listener.address();
    const peer = { address: '::1', port: typeof at === 'object' ? (at?.port ?? 0) : 0 };
    const data = await bound(port, turn, idOf(await control.ask(turn.connect(peer))));
    expect(String((await once(data, 'data'))[0])).toBe('six');
  });

  test('two peers from one relayed address', async () => {
    const { port } = await started();
    const peers = [
      await peerThat((socket) => socket.end('one')),
      await peerThat((socket) => socket.end('two')),
    ];
    const { control, turn } = await allocated(port);
    const texts = [];
    for (const peer of peers) {
      const data = await bound(port, turn, idOf(await control.ask(turn.connect(peer))));
      texts.push(String((await once(data, 'data'))[0]));
    }
    expect(texts).toEqual(['one', 'two']);
  });

  test('nobody there: 447', async () => {
    const { server, port } = await started();
    const { control, turn } = await allocated(port);
    const nobody = { address: PEER_ADDRESS, port: 9 };
    expect(verdictOf(await control.ask(turn.connect(nobody)))).toBe('447');
    expect(server.sizes()).toMatchObject({ tcpPeers: 0, peerConnections: 0 });
  });

  test('a client that does not read holds its peer back, and gets every byte in the end', async () => {
    const total = 16 * 1024 * 1024;
    const { port } = await started();
    let sent = 0;
    const chunk = Buffer.alloc(64 * 1024, 7);
    const held = Promise.withResolvers<void>();
    const peer = await peerThat((socket) => {
      const send = (): void => {
        while (sent < total) {
          sent += chunk.length;
          if (!socket.write(chunk)) {
            held.resolve();
            return void socket.once('drain', send);
          }
        }
        socket.end();
      };
      send();
    });
    const { control, turn } = await allocated(port);
    const data = await bound(port, turn, idOf(await control.ask(turn.connect(peer))));
    data.pause();
    await held.promise;
    expect(sent).toBeLessThan(total);
    let received = 0;
    data.on('data', (bytes: Buffer) => (received += bytes.length));
    data.resume();
    await once(data, 'close');
    expect(received).toBe(total);
  });
});

test.skipIf(missing)('a client that never reads is cut with the server, whatever waits for it', async () => {
  const { server, port } = await started();
  const peer = await peerThat((socket) => socket.end(Buffer.alloc(4 * 1024 * 1024)));
  const { control, turn } = await allocated(port);
  const data = await bound(port, turn, idOf(await control.ask(turn.connect(peer))));
  data.pause();
  await expect.poll(() => server.sizes()).toMatchObject({ streams: 1 });
  await server.close('test');
  expect(server.sizes()).toMatchObject({ tcpPeers: 0, tcpLeaving: 0 });
});

describe.skipIf(missing)('a peer that connects', () => {
  test('with a permission becomes a stream of the client; without, it is closed', async () => {
    const { server, port } = await started();
    const { control, turn, relayed } = await allocated(port);
    const stranger = await dial(relayed.port, relayed.address, PEER_ADDRESS);
    await once(stranger, 'close');
    await control.ask(turn.createPermission({ address: PEER_ADDRESS, port: 1 }));
    const attempt = control.next();
    const peer = await dial(relayed.port, relayed.address, PEER_ADDRESS);
    const message = parseStun(await attempt);
    expect(message.method).toBe(METHOD.connectionAttempt);
    expect(addressesOf(message, ATTRIBUTE.xorPeerAddress)).toEqual([
      { address: PEER_ADDRESS, port: peer.localPort },
    ]);
    const data = await bound(port, turn, idOf(message.raw));
    peer.write('from outside');
    expect(String((await once(data, 'data'))[0])).toBe('from outside');
    control.socket.destroy();
    await Promise.all([once(data, 'close'), once(peer, 'close')]);
    await expect
      .poll(() => server.sizes())
      .toMatchObject({ allocations: 0, tcpRelays: 0, tcpPeers: 0, streams: 0, peerConnections: 0 });
  });
});
