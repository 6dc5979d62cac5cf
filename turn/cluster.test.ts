// Two edges of a cluster, each announced by an address that neither has: relays of one reach relays of the other directly,
// at relay ports and nowhere else, whatever a NAT outside would do.
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { printChannelData } from './channel-data.ts';
import type { TransportAddress } from './ip-address.ts';
import { ATTRIBUTE } from './stun-attribute.ts';
import { parseStun } from './stun.ts';
import { addressesOf, TestClient, verdictOf } from './test-client.ts';
import { TEST_USER, testServer } from './test-server.ts';

const EDGES = [
  { announced: '203.0.113.50', reachable: '127.0.0.21' },
  { announced: '203.0.113.51', reachable: '127.0.0.22' },
] as const;
const HELLO = Buffer.from('hello');
const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** One edge of the cluster; its UDP port. */
async function edge(index: 0 | 1, engine: 'native' | 'portable'): Promise<TransportAddress> {
  const { announced, reachable } = EDGES[index];
  const server = testServer({
    engine,
    own: EDGES,
    machine: { relayAddresses: [{ family: 4, bound: reachable, announced }] },
    policy: {
      ownAddresses: EDGES.map((one) => one.reachable),
      relayAddresses: EDGES.map((one) => one.announced),
    },
    server: { listeners: [{ transport: 'udp', bind: { address: reachable, port: 0 } }] },
  });
  const [bound] = await server.listen();
  closing.push(() => server.close('test ends'));
  return bound!.bind;
}

async function client(at: TransportAddress) {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closing.push(() => socket.close());
  const turn = new TestClient(TEST_USER);
  const next = async (): Promise<Buffer> => ((await once(socket, 'message')) as [Buffer])[0];
  const send = (bytes: Buffer): void => socket.send(bytes, at.port, at.address);
  const ask = (request: Buffer): Promise<Buffer> => {
    const answer = next();
    send(request);
    return answer;
  };
  turn.learn(await ask(turn.allocate()));
  const [relayed] = addressesOf(parseStun(await ask(turn.allocate())), ATTRIBUTE.xorRelayedAddress);
  return { turn, ask, send, next, relayed: relayed! };
}

describe.each(['native', 'portable'] as const)('on the %s engine', (engine) => {
  test('a relay of one edge and a relay of the other meet', async () => {
    const alice = await client(await edge(0, engine));
    const bob = await client(await edge(1, engine));
    expect([alice.relayed.address, bob.relayed.address]).toEqual(EDGES.map(({ announced }) => announced));
    expect(verdictOf(await alice.ask(alice.turn.channelBind(0x4000, bob.relayed)))).toBe('success');
    expect(verdictOf(await bob.ask(bob.turn.channelBind(0x4001, alice.relayed)))).toBe('success');
    const heard = bob.next();
    alice.send(printChannelData(0x4000, HELLO, false));
    expect(await heard).toEqual(printChannelData(0x4001, HELLO, false));
    const answered = alice.next();
    bob.send(printChannelData(0x4001, HELLO, false));
    expect(await answered).toEqual(printChannelData(0x4000, HELLO, false));
  });

  // T-003: no door of the other edge, by either of its addresses
  test('its doors are no peers', async () => {
    const other = await edge(1, engine);
    const alice = await client(await edge(0, engine));
    for (const address of [EDGES[1].announced, EDGES[1].reachable]) {
      const request = alice.turn.channelBind(0x4000, {
        address,
        port: address.startsWith('127') ? other.port : 8443,
      });
      expect([address, verdictOf(await alice.ask(request))]).toEqual([address, '403']);
    }
  });
});
