// HTTPS and TURN at one port: who is told from whom, by ALPN and by the first byte; a client of HTTPS loses nothing.
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test } from 'vitest';
import { isFirstOfStun, type OtherProtocol } from './first-bytes.ts';
import { EDGE_NAME, limits, openDoor, type Rig } from './test-door.ts';

const LANE = Buffer.from('example.com/https/cucm.example.com/8443').toString('base64url');
const GET = `GET /${LANE}/a HTTP/1.1\r\nHost: ${EDGE_NAME}\r\n\r\n`;
const STUN = Buffer.from('000100002112a442000102030405060708090a0b', 'hex');
const rigs: Rig[] = [];
const sockets: TLSSocket[] = [];

afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const { door } of rigs.splice(0)) await door.close('test over');
});

/** A door whose other protocol says back what it got, with a mark. */
async function openBoth(): Promise<Rig & { readonly taken: TLSSocket[]; readonly asked: Promise<void> }> {
  const taken: TLSSocket[] = [];
  const asked = Promise.withResolvers<void>();
  const other: OtherProtocol = {
    alpn: ['stun.turn', 'stun.nat-discovery'],
    beginsWith: (byte) => {
      asked.resolve();
      return isFirstOfStun(byte);
    },
    take: (socket) => {
      taken.push(socket);
      socket.on('data', (chunk: Buffer) => socket.write(`other ${chunk.toString('hex')}`));
    },
  };
  const rig = await openDoor({ other, sweepMs: 5 });
  rigs.push(rig);
  return { ...rig, taken, asked: asked.promise };
}

async function dial({ door }: Rig, alpn?: string[]): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port: door.port,
    servername: EDGE_NAME,
    rejectUnauthorized: false,
    ...(alpn && { ALPNProtocols: alpn }),
  });
  sockets.push(socket);
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
}

async function until(socket: TLSSocket, pattern: RegExp): Promise<string> {
  let text = '';
  while (!pattern.test(text)) text += String((await once(socket, 'data'))[0]);
  return text;
}

describe('who is served', () => {
  const rows: [
    name: string,
    alpn: string[] | undefined,
    first: Buffer | string,
    answer: RegExp,
    way: string,
  ][] = [
    ['HTTP by ALPN', ['http/1.1'], GET, /from core$/, ''],
    ['HTTP by its first byte', undefined, GET, /from core$/, ''],
    ['an empty line before HTTP', undefined, `\r\n${GET}`, /^HTTP\/1.1 (200|400)/, ''],
    ['TURN by ALPN', ['stun.turn'], STUN, /^other 0001/, 'alpn'],
    ['NAT discovery by ALPN', ['stun.nat-discovery'], STUN, /^other 0001/, 'alpn'],
    ['both offered: HTTP, as before', ['stun.turn', 'http/1.1'], GET, /from core$/, ''],
    ['TURN by its first byte', undefined, STUN, /^other 0001/, 'first-byte'],
    ['a browser that says h2 and HTTP', ['h2', 'http/1.1'], GET, /from core$/, ''],
    ['neither', undefined, Buffer.from('\xff\xff\r\n\r\n', 'latin1'), /^HTTP\/1.1 400/, ''],
  ];
  test.each(rows)('%s', async (_name, alpn, first, answer, way) => {
    const rig = await openBoth();
    const socket = await dial(rig, alpn);
    socket.write(first);
    expect(await until(socket, answer)).toMatch(answer);
    expect(rig.taken).toHaveLength(way === '' ? 0 : 1);
    expect(rig.record.counts.get(`https.other-protocol ${way}`) ?? 0).toBe(way === '' ? 0 : 1);
  });

  test('HTTP whose bytes come one by one loses none', async () => {
    const rig = await openBoth();
    const socket = await dial(rig);
    socket.setNoDelay(true);
    for (const byte of GET) {
      socket.write(byte);
      await new Promise(setImmediate);
    }
    expect(await until(socket, /from core$/)).toMatch(/from core$/);
    expect(rig.core.seen).toHaveLength(1);
  });

  test('a connection handed over stands no longer at the door of HTTPS', async () => {
    const rig = await openBoth();
    const socket = await dial(rig);
    socket.write(STUN);
    await until(socket, /^other/);
    expect(rig.door.stats()).toMatchObject({ connections: 0, addresses: 0, handshakes: 0 });
  });
});

describe('hostile: silence and slowness', () => {
  test('who says nothing is cut at the deadline of a head, and counted', async () => {
    const rig = await openBoth();
    const socket = await dial(rig);
    await expect.poll(() => rig.door.stats().handshakes).toBe(0);
    rig.clock.now = limits.headMs;
    await once(socket, 'close');
    expect(rig.record.refused).toEqual(['idle-timeout']);
  });

  test('a late first byte does not buy time for the rest of the head', async () => {
    const rig = await openBoth();
    const socket = await dial(rig);
    await expect.poll(() => rig.door.stats().handshakes).toBe(0);
    rig.clock.now = limits.headMs - 1;
    socket.write('GET ');
    await rig.asked;
    rig.clock.now = limits.headMs + 1;
    expect(await until(socket, /^HTTP/)).toMatch(/^HTTP\/1.1 408 /);
    expect(rig.record.refused).toEqual(['head-timeout']);
  });

  test('who goes before his first byte leaves nothing', async () => {
    const rig = await openBoth();
    const socket = await dial(rig);
    socket.end();
    await once(socket, 'close');
    await expect.poll(() => rig.door.stats().connections).toBe(0);
  });
});
