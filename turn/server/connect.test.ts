// TCP allocations row by row (RFC 6062 §5): who may ask, whom a relay dials, who may dial in, whose id is good, when a
// connection is given up. Hostile: ids of others, guessed ids, more connections than a share (T-003, T-010).
import { describe, expect, test } from 'vitest';
import { ATTRIBUTE, type StunAttribute } from '../stun-attribute.ts';
import { findAttribute, METHOD, parseStun } from '../stun.ts';
import { addressesOf, number32, verdictOf, type TestClient } from '../test-client.ts';
import type { TestServerChanges } from '../test-server.ts';
import { PEER, pathOf, TestRig } from './test-rig.ts';

const CONTROL = pathOf(50_000, 'tcp');
const DATA = pathOf(50_001, 'tcp');
const OTHER_PEER = { address: '9.9.9.9', port: 80 };
const attribute = (type: number, bytes: readonly number[]): StunAttribute => ({
  type,
  value: Buffer.from(bytes),
});

/** A rig whose client has a TCP allocation. */
function open(changes: TestServerChanges = {}): { rig: TestRig; client: TestClient } {
  const rig = new TestRig(changes);
  const client = rig.client({}, CONTROL);
  expect(verdictOf(rig.send(client.allocateTcp(), CONTROL))).toBe('success');
  rig.clear();
  return { rig, client };
}

/** Asks for a connection and lets the peer answer; its id. */
function connected(rig: TestRig, client: TestClient, peer = PEER): number {
  expect(rig.send(client.connect(peer), CONTROL)).toBeUndefined();
  const { connection } = rig.actionsOf('dial-peer').at(-1)!;
  const answer = rig.feed({ type: 'peer-connected', connection });
  expect(findAttribute(parseStun(answer!), ATTRIBUTE.connectionId)?.readUInt32BE()).toBe(connection);
  return connection;
}

describe('Allocate for TCP (§5.1)', () => {
  test.each([
    ['over TCP', 'tcp', [], 'success'],
    ['over TLS', 'tls', [], 'success'],
    ['over UDP', 'udp', [], '400'],
    ['over DTLS', 'dtls', [], '400'],
    ['with EVEN-PORT', 'tcp', [attribute(ATTRIBUTE.evenPort, [0x80])], '400'],
    [
      'with RESERVATION-TOKEN',
      'tcp',
      [attribute(ATTRIBUTE.reservationToken, [1, 2, 3, 4, 5, 6, 7, 8])],
      '400',
    ],
    ['with DONT-FRAGMENT', 'tcp', [attribute(ATTRIBUTE.dontFragment, [])], '400'],
  ] as const)('%s: %s', (_name, transport, more, expected) => {
    const rig = new TestRig({ machine: { supportsDontFragment: true } });
    const path = pathOf(1, transport);
    const client = rig.client({}, path);
    expect(verdictOf(rig.send(client.allocateTcp(...more), path))).toBe(expected);
    const opened = rig.actionsOf('open-relay').map((action) => action.transport);
    expect(opened).toEqual(expected === 'success' ? ['tcp'] : []);
  });

  test('442 where it cannot be served; no ticket, because it dies with its stream', () => {
    const none = new TestRig({ machine: { supportsTcpRelays: false } });
    expect(verdictOf(none.send(none.client({}, CONTROL).allocateTcp(), CONTROL))).toBe('442');
    const rig = new TestRig();
    const client = rig.client({}, CONTROL);
    const answer = rig.send(client.allocateTcp(attribute(ATTRIBUTE.mobilityTicket, [])), CONTROL);
    expect(findAttribute(parseStun(answer!), ATTRIBUTE.mobilityTicket)).toBeUndefined();
  });

  test('ChannelBind is no business of it', () => {
    const { rig, client } = open();
    expect(verdictOf(rig.send(client.channelBind(0x4000, PEER), CONTROL))).toBe('437');
  });
});

describe('Connect (§5.2)', () => {
  test('dials, answers with an id when the peer is there', () => {
    const { rig, client } = open();
    const connection = connected(rig, client);
    expect(rig.actionsOf('dial-peer')).toEqual([
      { type: 'dial-peer', allocation: 1, connection, peer: PEER },
    ]);
  });

  // T-003: as for any relay
  test.each([
    ['no peer', undefined, '400'],
    ['loopback', { address: '127.0.0.1', port: 22 }, '403'],
    ['metadata', { address: '169.254.169.254', port: 80 }, '403'],
    ['IPv4-mapped inside', { address: '::ffff:10.0.0.1', port: 80 }, '403'],
    ['another family', { address: '2606:4700::1', port: 80 }, '443'],
  ])('%s is refused and nobody is dialled', (_name, peer, expected) => {
    const { rig, client } = open();
    const request = peer ? client.connect(peer) : client.request(METHOD.connect);
    expect(verdictOf(rig.send(request, CONTROL))).toBe(expected);
    expect(rig.actionsOf('dial-peer')).toEqual([]);
  });

  test('437 without a TCP allocation', () => {
    const rig = new TestRig();
    const client = rig.client({}, CONTROL);
    expect(verdictOf(rig.send(client.connect(PEER), CONTROL))).toBe('437');
    rig.send(client.allocate(), CONTROL);
    expect(verdictOf(rig.send(client.connect(PEER), CONTROL))).toBe('437');
  });

  test('446 for a peer that is being dialled, waits or is bound; again once it is closed', () => {
    const { rig, client } = open();
    rig.send(client.connect(PEER), CONTROL);
    expect(verdictOf(rig.send(client.connect(PEER), CONTROL))).toBe('446');
    const { connection } = rig.actionsOf('dial-peer')[0]!;
    rig.feed({ type: 'peer-connected', connection });
    expect(verdictOf(rig.send(client.connect(PEER), CONTROL))).toBe('446');
    rig.send(client.connectionBind(connection), DATA);
    expect(verdictOf(rig.send(client.connect(PEER), CONTROL))).toBe('446');
    rig.feed({ type: 'peer-closed', connection });
    connected(rig, client);
  });

  test('447 when the peer refuses, and after thirty seconds of silence', () => {
    const { rig, client } = open();
    rig.send(client.connect(PEER), CONTROL);
    const [first] = rig.actionsOf('dial-peer');
    expect(verdictOf(rig.feed({ type: 'peer-failed', connection: first!.connection }))).toBe('447');
    rig.send(client.connect(OTHER_PEER), CONTROL);
    rig.now += 29_999;
    expect(rig.feed({ type: 'tick' })).toBeUndefined();
    rig.now += 1;
    expect(verdictOf(rig.feed({ type: 'tick' }))).toBe('447');
    expect(rig.machine.sizes().peerConnections).toBe(0);
    expect(rig.feed({ type: 'peer-connected', connection: first!.connection })).toBeUndefined();
  });

  // T-010: one user's share of sockets
  test.each([
    ['of one allocation', { maxConnectionsPerAllocation: 2 }],
    ['of the server', { maxPeerConnections: 2 }],
  ])('508 beyond the limit %s, those that peers open among them', (_name, machine) => {
    const { rig, client } = open({ machine });
    rig.send(client.createPermission(PEER), CONTROL);
    connected(rig, client);
    rig.feed({ type: 'peer-arrived', allocation: 1, connection: 7, peer: OTHER_PEER });
    expect(rig.actionsOf('close-peer').map(({ connection }) => connection)).toEqual([7]);
    rig.feed({ type: 'peer-arrived', allocation: 1, connection: 8, peer: { ...PEER, port: 9 } });
    expect(verdictOf(rig.send(client.connect(OTHER_PEER), CONTROL))).toBe('508');
    rig.feed({ type: 'peer-arrived', allocation: 1, connection: 9, peer: { ...PEER, port: 10 } });
    expect(rig.actionsOf('close-peer').map(({ connection }) => connection)).toEqual([7, 9]);
    expect(rig.counted()).toContain('dropped connection-limit');
  });
});

describe('a peer that connects (§5.3)', () => {
  test('is told to a client that permits it', () => {
    const { rig, client } = open();
    rig.send(client.createPermission(PEER), CONTROL);
    const bytes = rig.feed({ type: 'peer-arrived', allocation: 1, connection: 77, peer: PEER });
    const message = parseStun(bytes!);
    expect([message.class, message.method]).toEqual(['indication', METHOD.connectionAttempt]);
    expect(findAttribute(message, ATTRIBUTE.connectionId)?.readUInt32BE()).toBe(77);
    expect(addressesOf(message, ATTRIBUTE.xorPeerAddress)).toEqual([PEER]);
  });

  test.each([
    ['without a permission', OTHER_PEER, 0],
    ['after it ran out', PEER, 300_000],
  ])('%s it is closed, counted and not told', (_name, peer, later) => {
    const { rig, client } = open();
    rig.send(client.createPermission(PEER), CONTROL);
    rig.now += later;
    expect(rig.feed({ type: 'peer-arrived', allocation: 1, connection: 77, peer })).toBeUndefined();
    expect(rig.actionsOf('close-peer')).toEqual([{ type: 'close-peer', connection: 77 }]);
    expect(rig.counted()).toContain('dropped no-permission');
  });

  test('an allocation that is gone: closed', () => {
    const rig = new TestRig();
    rig.feed({ type: 'peer-arrived', allocation: 5, connection: 77, peer: PEER });
    expect(rig.actionsOf('close-peer')).toHaveLength(1);
  });
});

describe('ConnectionBind (§5.4)', () => {
  test('joins the stream it came on, behind its answer', () => {
    const { rig, client } = open();
    const connection = connected(rig, client);
    rig.clear();
    expect(verdictOf(rig.send(client.connectionBind(connection), DATA))).toBe('success');
    expect(rig.actions.map(({ type }) => type)).toEqual(['count', 'reply', 'join-peer']);
    expect(rig.actionsOf('join-peer')[0]).toEqual({ type: 'join-peer', connection, path: DATA });
  });

  test('hostile: ids of others, of nobody, used ids, wrong streams', () => {
    const users = ['alice', 'eve'].map((username) => ({
      username,
      password: 'wonderland',
      deployment: 'default',
    }));
    const { rig, client } = open({ credentials: { users } });
    const connection = connected(rig, client);
    const eve = rig.client({ username: 'eve' }, pathOf(60_000, 'tcp'));
    expect(verdictOf(rig.send(eve.connectionBind(connection), pathOf(60_000, 'tcp')))).toBe('400');
    expect(verdictOf(rig.send(client.connectionBind((connection ^ 1) >>> 0), DATA))).toBe('400');
    expect(verdictOf(rig.send(client.request(METHOD.connectionBind), DATA))).toBe('400');
    expect(verdictOf(rig.send(client.connectionBind(connection), CONTROL))).toBe('400');
    expect(verdictOf(rig.send(client.connectionBind(connection), pathOf(1, 'udp')))).toBe('400');
    expect(verdictOf(rig.send(client.connectionBind(connection), DATA))).toBe('success');
    expect(verdictOf(rig.send(client.connectionBind(connection), pathOf(50_002, 'tcp')))).toBe('400');
    expect(rig.actionsOf('join-peer')).toHaveLength(1);
  });

  test('one that nobody binds within thirty seconds is closed', () => {
    const { rig, client } = open();
    const connection = connected(rig, client);
    rig.pass(30_000);
    expect(rig.actionsOf('close-peer')).toEqual([{ type: 'close-peer', connection }]);
    expect(verdictOf(rig.send(client.connectionBind(connection), DATA))).toBe('400');
  });
});

test.each([
  ['Refresh with lifetime 0', (rig: TestRig, client: TestClient) => rig.send(client.refresh(0), CONTROL)],
  ['the end of its stream', (rig: TestRig) => rig.feed({ type: 'path-closed', path: CONTROL })],
  ['its expiry', (rig: TestRig) => rig.pass(600_000)],
])('%s ends an allocation with every connection it has', (_name, end) => {
  const { rig, client } = open({ machine: { bindTimeoutMs: 9e9, connectTimeoutMs: 9e9 } });
  const bound = connected(rig, client);
  rig.send(client.connectionBind(bound), DATA);
  const pending = connected(rig, client, OTHER_PEER);
  rig.send(client.connect({ ...PEER, port: 1 }), CONTROL);
  const dialling = rig.actionsOf('dial-peer').at(-1)!.connection;
  rig.clear();
  end(rig, client);
  const closed = rig.actionsOf('close-peer').map(({ connection }) => connection);
  expect(new Set(closed)).toEqual(new Set([bound, pending, dialling]));
  expect(rig.machine.sizes()).toMatchObject({ allocations: 0, peerConnections: 0 });
});

test('an id is random: it cannot be guessed from another', () => {
  let drawn = 0;
  const numbers = [5, 5, 6];
  const { rig, client } = open({
    machine: {
      randomBytes: (count) => (count === 4 ? number32(0, numbers[drawn++]!).value : Buffer.alloc(count, 1)),
    },
  });
  expect([connected(rig, client), connected(rig, client, OTHER_PEER)]).toEqual([5, 6]);
});
