import { Resolver } from 'node:dns/promises';
import { connect } from 'node:net';
import dnsPacket, { type Packet } from 'dns-packet';
import * as fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { answerQuery, type NameServer, startNameServer } from './name-server.ts';
import { insideView, outsideView } from './views.ts';

const outside = outsideView(
  'example.com',
  [{ name: 'edge.example.com', address: '127.0.10.10', port: 8443 }],
  [],
);
const inside = insideView(
  'example.com',
  [{ name: 'ucm1.example.com', address: '127.0.10.30', udsPort: 8443 }],
  [{ name: 'core.example.com', address: '127.0.10.20' }],
);

let server: NameServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

function ask(name: string, type: string, zones = outside): Packet {
  const query = dnsPacket.encode({ type: 'query', id: 7, flags: 0x100, questions: [{ name, type }] });
  return dnsPacket.decode(answerQuery(zones, query, 4096)!);
}
const code = (packet: Packet): number => packet.flags & 0xf;

test.each([
  ['the edge is found', outside, '_collab-edge._tls.example.com', 'SRV', 0, 1],
  ['whatever the case', outside, '_Collab-Edge._TLS.Example.COM', 'SRV', 0, 1],
  ['the call-control record must not exist outside', outside, '_cisco-uds._tcp.example.com', 'SRV', 3, 0],
  ['nor the presence record', outside, '_cuplogin._tcp.example.com', 'SRV', 3, 0],
  ['the edge has an address', outside, 'edge.example.com', 'A', 0, 1],
  ['but no IPv6 address: empty, not a name error', outside, 'edge.example.com', 'AAAA', 0, 0],
  ['a node between two names exists', outside, '_tls.example.com', 'A', 0, 0],
  ['inside names stay inside', outside, 'ucm1.example.com', 'A', 3, 0],
  ['another domain is refused', outside, 'example.net', 'A', 5, 0],
  ['a longer look-alike is refused', outside, 'badexample.com', 'A', 5, 0],
  ['inside: call control', inside, '_cisco-uds._tcp.example.com', 'SRV', 0, 1],
  ['inside: core', inside, 'core.example.com', 'A', 0, 1],
  ['inside: no edge record', inside, '_collab-edge._tls.example.com', 'SRV', 3, 0],
])('%s', (_, zones, name, type, expectedCode, answers) => {
  const reply = ask(name, type, zones);
  expect([code(reply), reply.answers?.length]).toEqual([expectedCode, answers]);
  expect(reply.questions[0]?.name).toBe(name);
});

test('an answer too long for UDP is truncated and whole over a stream', () => {
  const edges = Array.from({ length: 40 }, (_, index) => ({
    name: `e${index}.example.com`,
    address: '10.0.0.1',
    port: 8443,
  }));
  const zones = outsideView('example.com', edges, []);
  const questions = [{ name: '_collab-edge._tls.example.com', type: 'SRV' }];
  const query = dnsPacket.encode({ type: 'query', id: 1, flags: 0, questions });
  const short = dnsPacket.decode(answerQuery(zones, query, 4096)!);
  expect(short.flags & dnsPacket.TRUNCATED_RESPONSE).not.toBe(0);
  expect(dnsPacket.decode(answerQuery(zones, query, Infinity)!).answers).toHaveLength(40);
});

test('bytes that are no query get no answer and no exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      const reply = answerQuery(outside, Buffer.from(bytes), 4096);
      return reply === undefined || reply.length > 0;
    }),
  );
});

test('a resolver nobody here wrote gets the record over UDP', async () => {
  server = await startNameServer({ address: '127.0.0.1', port: 0, zones: outside });
  const resolver = new Resolver();
  resolver.setServers([`127.0.0.1:${server.port}`]);
  expect(await resolver.resolveSrv('_collab-edge._tls.example.com')).toEqual([
    expect.objectContaining({ name: 'edge.example.com', port: 8443, priority: 10, weight: 10 }),
  ]);
  await expect(resolver.resolveSrv('_cisco-uds._tcp.example.com')).rejects.toMatchObject({
    code: 'ENOTFOUND',
  });
});

test('two queries in one TCP stream get two answers', async () => {
  server = await startNameServer({ address: '127.0.0.1', port: 0, zones: outside });
  const query = (id: number): Buffer => {
    const questions = [{ name: 'edge.example.com', type: 'A' }];
    const bytes = dnsPacket.encode({ type: 'query', id, flags: 0, questions });
    return Buffer.concat([Buffer.from([0, bytes.length]), bytes]);
  };
  const socket = connect(server.port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(Buffer.concat([query(1), query(2)]));
  let received = Buffer.alloc(0);
  const ids: number[] = [];
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
      ids.push(received.readUInt16BE(2));
      received = received.subarray(2 + received.readUInt16BE(0));
    }
    if (ids.length === 2) break;
  }
  expect(ids).toEqual([1, 2]);
});
