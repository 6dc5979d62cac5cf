// The DTLS listener by its datagrams (RFC 6347; T-009): what strangers cost, who gets state, what ends. ClientHellos are
// written by hand; whole handshakes are made by OpenSSL's and coturn's clients in test/interop.
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { loadTurnBinding } from '../native/binding.ts';
import { testIdentity } from '../test-identity.ts';
import { testServer } from '../test-server.ts';
import type { TurnServer } from '../turn-server.ts';

const LOOPBACK = '127.0.0.1';
const missing = 'missing' in loadTurnBinding();
const identity = testIdentity();
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Rig {
  readonly server: TurnServer;
  readonly port: number;
  readonly counted: string[];
  readonly clock: { now: number };
  readonly tick: () => void;
}

async function started(
  stream: Partial<Record<'maxHandshakes' | 'maxConnectionsPerAddress', number>> = {},
): Promise<Rig> {
  const counted: string[] = [];
  const clock = { now: 0 };
  let tick = (): void => undefined;
  const server = testServer({
    tls: identity,
    server: {
      listeners: [{ transport: 'dtls', bind: { address: LOOPBACK, port: 0 } }],
      count: (event, reason = '') => counted.push(`${event} ${reason}`),
      now: () => clock.now,
      every: (_ms, work) => ((tick = work), () => undefined),
    },
    stream,
  });
  const [bound] = await server.listen();
  closing.push(() => server.close('test ends'));
  return { server, port: bound!.bind.port, counted, clock, tick: () => tick() };
}

async function stranger(): Promise<{ socket: Socket; next: () => Promise<Buffer> }> {
  const socket = createSocket('udp4');
  socket.bind(0, LOOPBACK);
  await once(socket, 'listening');
  closing.push(() => socket.close());
  return { socket, next: async () => ((await once(socket, 'message')) as [Buffer])[0] };
}

/** | type 1 | length | sequence | fragment | version | random | session id | cookie | suites | compression | extensions | */
function clientHello(cookie: Buffer, sequence = cookie.length > 0 ? 1 : 0): Buffer {
  const extensions = Buffer.from(
    '000a000400020017000b00020100000d0008000604030804040100170000ff01000100',
    'hex',
  );
  const body = Buffer.concat([
    Buffer.from('fefd', 'hex'),
    Buffer.alloc(32, 9),
    Buffer.from([0, cookie.length]),
    cookie,
    Buffer.from('0004c02bc02f0100', 'hex'),
    Buffer.from([extensions.length >> 8, extensions.length & 0xff]),
    extensions,
  ]);
  const head = Buffer.alloc(12);
  head[0] = 1;
  head.writeUIntBE(body.length, 1, 3);
  head.writeUInt16BE(sequence, 4);
  head.writeUIntBE(body.length, 9, 3);
  const record = Buffer.alloc(13);
  record[0] = 22;
  record.writeUInt16BE(0xfeff, 1);
  record.writeUInt16BE(sequence, 9);
  record.writeUInt16BE(head.length + body.length, 11);
  return Buffer.concat([record, head, body]);
}

/** HelloVerifyRequest: record 13, handshake 12, version 2, cookie's length 1, cookie. */
const cookieOf = (answer: Buffer): Buffer => answer.subarray(28, 28 + answer[27]!);

describe.skipIf(missing)('a stranger', () => {
  test('gets a cookie for a ClientHello, in fewer bytes than he sent, and leaves nothing', async () => {
    const { server, port } = await started();
    for (let round = 0; round < 50; round++) {
      const { socket, next } = await stranger();
      const hello = clientHello(Buffer.alloc(0));
      socket.send(hello, port, LOOPBACK);
      const answer = await next();
      expect(answer.length).toBeLessThanOrEqual(hello.length);
      expect([answer[0], answer[13]]).toEqual([22, 3]);
    }
    expect(server.sizes()).toMatchObject({ streams: 0, allocations: 0 });
    expect(server.status()).toMatchObject({ streams: 0 });
  });

  const hello = clientHello(Buffer.alloc(0));
  const fragment = Buffer.from(hello);
  fragment.writeUIntBE(hello.length - 25 - 8, 22, 3);
  const rows: [name: string, bytes: Buffer, counted: string | undefined][] = [
    [
      'application data',
      Buffer.from('17fefd0001000000000001001000112233445566778899aabbccddeeff', 'hex'),
      'not-handshake',
    ],
    ['an alert', Buffer.from('15fefd00000000000000000002022800', 'hex'), 'not-handshake'],
    ['plain STUN', Buffer.from('000100002112a442000102030405060708090a0b', 'hex'), 'not-handshake'],
    ['one byte', Buffer.from([22]), 'not-handshake'],
    [
      'a handshake that is no ClientHello',
      Buffer.concat([hello.subarray(0, 13), Buffer.from([2]), hello.subarray(14)]),
      'not-handshake',
    ],
    [
      'a record of a later epoch',
      Buffer.concat([hello.subarray(0, 3), Buffer.from([0, 1]), hello.subarray(5)]),
      'not-handshake',
    ],
    ['a ClientHello in fragments', fragment, undefined],
    ['a ClientHello that lies about its length', hello.subarray(0, 60), undefined],
  ];
  test.each(rows)('%s: no answer, no state', async (_name, bytes, reason) => {
    const { server, port, counted } = await started();
    const { socket, next } = await stranger();
    const answers: Buffer[] = [];
    socket.on('message', (answer) => answers.push(answer));
    socket.send(bytes, port, LOOPBACK);
    // Somebody else's round trip through the same socket: the datagram before has been dealt with.
    const other = await stranger();
    other.socket.send(clientHello(Buffer.alloc(0)), port, LOOPBACK);
    await other.next();
    void next;
    expect(answers).toEqual([]);
    expect(counted).toEqual(reason === undefined ? [] : [`turn-dtls-refused ${reason}`]);
    expect(server.status()).toMatchObject({ streams: 0 });
  });

  test('a cookie is good for the address and port it was given to', async () => {
    const { server, port } = await started();
    const [owner, thief] = [await stranger(), await stranger()];
    owner.socket.send(clientHello(Buffer.alloc(0)), port, LOOPBACK);
    const cookie = cookieOf(await owner.next());
    thief.socket.send(clientHello(cookie), port, LOOPBACK);
    const answer = await thief.next();
    expect(answer[13]).toBe(3);
    expect(cookieOf(answer)).not.toEqual(cookie);
    expect(server.status()).toMatchObject({ streams: 0 });
  });
});

/** A client that has brought its cookie back: its handshake is under way. */
async function shaking(port: number): Promise<Socket> {
  const { socket, next } = await stranger();
  socket.send(clientHello(Buffer.alloc(0)), port, LOOPBACK);
  const cookie = cookieOf(await next());
  socket.send(clientHello(cookie), port, LOOPBACK);
  const answer = await next();
  expect([answer[0], answer[13]]).toEqual([22, 2]);
  return socket;
}

describe.skipIf(missing)('a handshake', () => {
  test('begins with the cookie, and ends when it takes too long', async () => {
    const { server, port, clock, tick, counted } = await started();
    await shaking(port);
    expect(server.status()).toMatchObject({ streams: 1 });
    clock.now = 10_001;
    tick();
    expect(server.status()).toMatchObject({ streams: 0 });
    expect(counted).toEqual(['turn-stream-closed handshake']);
  });

  test.each([
    ['handshakes under way', { maxHandshakes: 2 }, 'handshakes'],
    ['associations of one address', { maxConnectionsPerAddress: 2 }, 'connections-per-address'],
  ])('%s have a limit', async (_name, limit, reason) => {
    const { server, port, counted } = await started(limit);
    await shaking(port);
    await shaking(port);
    const third = await stranger();
    third.socket.send(clientHello(Buffer.alloc(0)), port, LOOPBACK);
    third.socket.send(clientHello(cookieOf(await third.next())), port, LOOPBACK);
    await expect.poll(() => counted).toEqual([`turn-dtls-refused ${reason}`]);
    expect(server.status()).toMatchObject({ streams: 2 });
  });

  test('a client that begins anew on its port, before it was done, goes on', async () => {
    const { server, port, clock, tick } = await started();
    const socket = await shaking(port);
    clock.now = 10_001;
    tick();
    socket.send(clientHello(Buffer.alloc(0)), port, LOOPBACK);
    const [verify] = (await once(socket, 'message')) as [Buffer];
    socket.send(clientHello(cookieOf(verify)), port, LOOPBACK);
    const [hello] = (await once(socket, 'message')) as [Buffer];
    expect(hello[13]).toBe(2);
    expect(server.status()).toMatchObject({ streams: 1 });
  });

  test('noise in the middle of it neither ends it nor crashes', async () => {
    const { server, port } = await started();
    const socket = await shaking(port);
    // An empty datagram with a forged source once read as the end of the association.
    socket.send(Buffer.alloc(0), port, LOOPBACK);
    for (let round = 0; round < 200; round++) {
      const noise = Buffer.alloc(1 + ((round * 7) % 90), round);
      if (round % 2 === 0) noise[0] = 20 + (round % 4);
      socket.send(noise, port, LOOPBACK);
    }
    const other = await stranger();
    other.socket.send(clientHello(Buffer.alloc(0)), port, LOOPBACK);
    await other.next();
    expect(server.status()).toMatchObject({ streams: 1 });
  });
});
