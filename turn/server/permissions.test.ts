// CreatePermission and ChannelBind row by row (RFC 8656 §10, §12.2; T-001, T-016), the owner of an allocation, lifetimes,
// and mobility tickets in the wrong hands (RFC 8016; T-012).
import { describe, expect, test } from 'vitest';
import { ATTRIBUTE } from '../stun-attribute.ts';
import { findAttribute, METHOD, parseStun } from '../stun.ts';
import { verdictOf } from '../test-client.ts';
import { PEER, pathOf, TestRig } from './test-rig.ts';

const USERS = ['alice', 'eve'].map((username) => ({
  username,
  password: 'wonderland',
  deployment: 'default',
}));
const peer = (address: string, port = 4_000) => ({ address, port });

describe('CreatePermission', () => {
  test.each([
    ['a public address', [peer('8.8.8.8')], 'success'],
    ['several', [peer('8.8.8.8'), peer('9.9.9.9')], 'success'],
    ['none', [], '400'],
    ['IPv6 without an IPv6 relay', [peer('2606:4700::1')], '443'],
    ['IPv4-mapped', [peer('::ffff:8.8.8.8')], 'success'],
    ['unspecified', [peer('0.0.0.0')], '403'],
    ['loopback', [peer('127.0.0.2')], '403'],
    ['IPv4-mapped loopback', [peer('::ffff:127.0.0.2')], '403'],
    ['metadata', [peer('169.254.169.254')], '403'],
    ['one good, one denied', [peer('8.8.8.8'), peer('10.0.0.1')], '403'],
  ])('%s: %s', (_name, peers, expected) => {
    const rig = new TestRig();
    const client = rig.allocated();
    expect(verdictOf(rig.send(client.createPermission(...peers)))).toBe(expected);
    const permitted = rig.actionsOf('permit').length;
    expect(permitted).toBe(expected === 'success' ? peers.length : 0);
  });

  test('an allocation has a limit of permissions; refreshing one is no new one', () => {
    const rig = new TestRig({ machine: { maxPermissionsPerAllocation: 2 } });
    const client = rig.allocated();
    rig.send(client.createPermission(peer('8.8.8.1'), peer('8.8.8.2')));
    expect(verdictOf(rig.send(client.createPermission(peer('8.8.8.3'))))).toBe('508');
    expect(verdictOf(rig.send(client.channelBind(0x4000, peer('8.8.8.3'))))).toBe('508');
    expect(verdictOf(rig.send(client.createPermission(peer('8.8.8.2'))))).toBe('success');
  });

  test('lasts 300 s and is not prolonged by a Refresh', () => {
    const rig = new TestRig();
    const client = rig.allocated();
    rig.send(client.createPermission(PEER));
    rig.pass(299_000);
    rig.send(client.refresh(600));
    expect(rig.actionsOf('forbid')).toEqual([]);
    rig.pass(1_000);
    expect(rig.actionsOf('forbid')).toEqual([{ type: 'forbid', allocation: 1, address: '8.8.8.8' }]);
    rig.clear();
    rig.send(client.createPermission(PEER));
    expect(rig.actionsOf('permit')).toHaveLength(1);
  });
});

describe('ChannelBind', () => {
  // T-016: outside the range or to another peer is 400 and changes nothing
  test.each([
    [0x3fff, '400'],
    [0x4000, 'success'],
    [0x4fff, 'success'],
    [0x5000, '400'],
    [0x7ffe, '400'],
    [0xffff, '400'],
    [0x0000, '400'],
  ])('channel %i: %s', (channel, expected) => {
    const rig = new TestRig();
    const client = rig.allocated();
    expect(verdictOf(rig.send(client.channelBind(channel, PEER)))).toBe(expected);
    expect(rig.actionsOf('bind-channel')).toHaveLength(expected === 'success' ? 1 : 0);
    expect(rig.actionsOf('permit')).toHaveLength(expected === 'success' ? 1 : 0);
  });

  test('channels of RFC 5766 only when configured', () => {
    const rig = new TestRig({ machine: { acceptsRfc5766Channels: true } });
    const client = rig.allocated();
    expect(verdictOf(rig.send(client.channelBind(0x7ffe, PEER)))).toBe('success');
    expect(verdictOf(rig.send(client.channelBind(0x7fff, peer('8.8.8.9'))))).toBe('400');
  });

  test.each([
    ['again to the same peer', 0x4000, PEER, 'success'],
    ['to another peer', 0x4000, peer('8.8.8.9'), '400'],
    ['to another port of the peer', 0x4000, peer('8.8.8.8', 4_001), '400'],
    ['a second channel to the peer', 0x4001, PEER, '400'],
    ['the peer as IPv4-mapped on a second channel', 0x4001, peer('::ffff:8.8.8.8'), '400'],
    ['a second channel to another port', 0x4001, peer('8.8.8.8', 4_001), 'success'],
    ['to a denied peer', 0x4001, peer('10.0.0.1'), '403'],
    ['to IPv6', 0x4001, peer('2606:4700::1'), '443'],
    ['to port 0', 0x4001, peer('8.8.8.8', 0), '403'],
    ['to a listener of ours', 0x4001, peer('127.0.0.1', 3_478), '403'],
    ['to a relay of ours', 0x4001, peer('127.0.0.1', 24_000), 'success'],
  ])('after channel 0x4000: %s', (_name, channel, to, expected) => {
    const rig = new TestRig();
    const client = rig.allocated();
    rig.send(client.channelBind(0x4000, PEER));
    rig.clear();
    expect(verdictOf(rig.send(client.channelBind(channel, to)))).toBe(expected);
    if (expected !== 'success')
      expect(rig.actions.filter(({ type }) => type !== 'reply' && type !== 'count')).toEqual([]);
  });

  test.each([
    ['no channel', [ATTRIBUTE.xorPeerAddress]],
    ['no peer', [ATTRIBUTE.channelNumber]],
  ])('%s is 400', (_name, kept) => {
    const rig = new TestRig();
    const client = rig.allocated();
    const full = parseStun(client.channelBind(0x4000, PEER));
    const attributes = full.attributes.filter(({ type }) => kept.includes(type as never));
    expect(verdictOf(rig.send(client.request(METHOD.channelBind, attributes)))).toBe('400');
  });

  test('lasts 600 s, its permission 300 s; binding again prolongs both', () => {
    const rig = new TestRig({ machine: { maxLifetimeMs: 3_600_000, nonceLifetimeMs: 9e9 } });
    const client = rig.allocated();
    rig.send(client.refresh(3_600));
    rig.send(client.channelBind(0x4000, PEER));
    rig.pass(200_000);
    rig.send(client.channelBind(0x4000, PEER));
    rig.pass(200_000);
    expect(rig.actionsOf('forbid')).toEqual([]);
    rig.pass(100_000);
    expect(rig.actionsOf('forbid')).toHaveLength(1);
    rig.pass(299_000);
    expect(rig.actionsOf('unbind-channel')).toEqual([]);
    rig.pass(1_000);
    expect(rig.actionsOf('unbind-channel')).toEqual([
      { type: 'unbind-channel', allocation: 1, channel: 0x4000 },
    ]);
    expect(verdictOf(rig.send(client.channelBind(0x4000, peer('8.8.8.9'))))).toBe('success');
  });

  test('an allocation has a limit of channels', () => {
    const rig = new TestRig({ machine: { maxChannelsPerAllocation: 1 } });
    const client = rig.allocated();
    rig.send(client.channelBind(0x4000, PEER));
    expect(verdictOf(rig.send(client.channelBind(0x4001, peer('8.8.8.8', 4_001))))).toBe('508');
  });
});

test.each(['refresh', 'permission', 'channel'] as const)(
  "another user's %s on an allocation is 441",
  (what) => {
    const rig = new TestRig({ credentials: { users: USERS } });
    rig.allocated();
    const eve = rig.client({ username: 'eve' });
    const request = {
      refresh: eve.refresh(0),
      permission: eve.createPermission(PEER),
      channel: eve.channelBind(0x4000, PEER),
    }[what];
    rig.clear();
    expect(verdictOf(rig.send(request))).toBe('441');
    expect(rig.machine.sizes().allocations).toBe(1);
  },
);

// T-012: a ticket moves its own user's allocation, once
describe('mobility', () => {
  const EMPTY = { type: ATTRIBUTE.mobilityTicket, value: Buffer.alloc(0) };
  const ticketOf = (answer: Buffer | undefined): Buffer =>
    Buffer.from(findAttribute(parseStun(answer!), ATTRIBUTE.mobilityTicket) ?? Buffer.alloc(0));
  const ticket = (value: Buffer) => ({ type: ATTRIBUTE.mobilityTicket, value });

  function mobile() {
    const rig = new TestRig({ credentials: { users: USERS } });
    const client = rig.client();
    return { rig, client, first: ticketOf(rig.send(client.allocate(EMPTY))) };
  }

  test('moves to another address and gives the next ticket', () => {
    const { rig, first } = mobile();
    const elsewhere = pathOf(9, 'udp', '192.0.2.99');
    const client = rig.client({}, elsewhere);
    const request = client.refresh(600, ticket(first));
    const answer = rig.send(request, elsewhere);
    expect(verdictOf(answer)).toBe('success');
    expect(rig.actionsOf('move-client')).toEqual([{ type: 'move-client', allocation: 1, path: elsewhere }]);
    const second = ticketOf(answer);
    expect(second).not.toEqual(first);
    expect(ticketOf(rig.send(request, elsewhere))).toEqual(second);
    const third = pathOf(10, 'udp', '192.0.2.100');
    expect(verdictOf(rig.send(rig.client({}, third).refresh(600, ticket(second)), third))).toBe('success');
  });

  test.each([
    ['a replayed one', '400', (first: Buffer) => first, 'alice', true],
    ["another user's", '441', (first: Buffer) => first, 'eve', false],
    [
      'a changed one',
      '400',
      (first: Buffer) => Buffer.from(first.map((byte, index) => (index === 7 ? byte ^ 3 : byte))),
      'alice',
      false,
    ],
    ['a cut one', '400', (first: Buffer) => first.subarray(1), 'alice', false],
    ['an empty one', '400', () => Buffer.alloc(0), 'alice', false],
  ] as const)('%s: %s', (_name, expected, change, username, isUsed) => {
    const { rig, first } = mobile();
    const [one, two] = [pathOf(1), pathOf(2)];
    if (isUsed) rig.send(rig.client({}, one).refresh(600, ticket(first)), one);
    rig.clear();
    const answer = rig.send(rig.client({ username }, two).refresh(600, ticket(change(first))), two);
    expect(verdictOf(answer)).toBe(expected);
    expect(rig.actionsOf('move-client')).toEqual([]);
  });

  test('an allocation made without asking has no ticket; a mobile one outlives its stream', () => {
    const rig = new TestRig();
    expect(
      findAttribute(parseStun(rig.send(rig.client().allocate())!), ATTRIBUTE.mobilityTicket),
    ).toBeUndefined();
    const path = pathOf(7, 'tcp');
    rig.send(rig.client({}, path).allocate(EMPTY), path);
    rig.feed({ type: 'path-closed', path });
    expect(rig.machine.sizes().allocations).toBe(2);
  });
});
