// The data path of one allocation: permissions in both directions, channels, indications, our own announced address;
// properties of framing. Bytes in, bytes out.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { channelPayload, printChannelData } from '../channel-data.ts';
import { ATTRIBUTE } from '../stun-attribute.ts';
import { findAttribute, METHOD, parseStun, printStun } from '../stun.ts';
import { addressesOf, peerAttribute, sendIndication } from '../test-client.ts';
import { readSendIndication } from './indications.ts';
import { RelayPath } from './relay-path.ts';

const ID = Buffer.alloc(12, 9);
const HELLO = Buffer.from('hello');
const PEER = { address: '8.8.8.8', port: 4_000 };
const SIX = { address: '2606:4700::1', port: 4_000 };

function pathTo(...addresses: readonly string[]): RelayPath {
  const path = new RelayPath({ own: [{ announced: '9.9.9.9', reachable: '10.0.1.5' }], padded: false });
  for (const address of addresses) path.permit(address, undefined);
  return path;
}

describe('from the client', () => {
  const bound = (): RelayPath => {
    const path = pathTo('8.8.8.8', '2606:4700::1');
    path.bindChannel(0x4000, PEER);
    path.bindChannel(0x4001, { address: '7.7.7.7', port: 1 });
    return path;
  };
  const out = { six: false, payload: HELLO, ...PEER };
  const without = (type: number): Buffer => {
    const message = parseStun(sendIndication(PEER, HELLO));
    const attributes = message.attributes.filter((attribute) => attribute.type !== type);
    return printStun({ ...message, attributes });
  };
  test.each([
    ['ChannelData', printChannelData(0x4000, HELLO, false), out],
    ['ChannelData with padding', printChannelData(0x4000, HELLO, true), out],
    [
      'ChannelData without payload',
      printChannelData(0x4000, Buffer.alloc(0), false),
      { ...out, payload: Buffer.alloc(0) },
    ],
    ['a channel nobody bound', printChannelData(0x4002, HELLO, false), 'unknown-channel'],
    ['a channel whose permission ended', printChannelData(0x4001, HELLO, false), 'no-permission'],
    ['a length that lies', Buffer.from('40000006aabbccddee', 'hex'), 'malformed'],
    ['a Send indication', sendIndication(PEER, HELLO), out],
    ['a Send indication to IPv6', sendIndication(SIX, HELLO), { ...out, ...SIX, six: true }],
    ['a Send to IPv4-mapped', sendIndication({ ...PEER, address: '::ffff:8.8.8.8' }, HELLO), out],
    ['a Send without permission', sendIndication({ ...PEER, address: '8.8.4.4' }, HELLO), 'no-permission'],
    ['a Send to port 0', sendIndication({ ...PEER, port: 0 }, HELLO), 'port-denied'],
    ['a Send without DATA', without(ATTRIBUTE.data), 'malformed'],
    ['a Send without peer', without(ATTRIBUTE.xorPeerAddress), 'malformed'],
    [
      'a Send with DONT-FRAGMENT',
      sendIndication(PEER, HELLO, { type: ATTRIBUTE.dontFragment, value: Buffer.alloc(0) }),
      'malformed',
    ],
    [
      'a Send with an unknown attribute',
      sendIndication(PEER, HELLO, { type: 0x7777, value: Buffer.alloc(0) }),
      'malformed',
    ],
    [
      'another indication',
      printStun({
        class: 'indication',
        method: METHOD.data,
        transactionId: ID,
        attributes: [peerAttribute(PEER, ID)],
      }),
      'malformed',
    ],
    ['noise', Buffer.from('00'), 'malformed'],
  ])('%s', (_name, bytes, expected) => {
    expect(bound().fromClient(bytes)).toEqual(expected);
  });
});

describe('from a peer', () => {
  const from = (path: RelayPath, address: string, port: number) =>
    path.fromPeer(HELLO, address, port, () => ID);

  test('without permission nothing passes', () => {
    expect(from(pathTo(), '8.8.8.8', 4_000)).toBe('no-permission');
    const path = pathTo('8.8.8.8');
    path.forbid('8.8.8.8');
    expect(from(path, '8.8.8.8', 4_000)).toBe('no-permission');
  });

  test('any port of a permitted address comes as a Data indication', () => {
    const message = parseStun(from(pathTo('8.8.8.8'), '8.8.8.8', 1) as Buffer);
    expect([message.class, message.method]).toEqual(['indication', METHOD.data]);
    expect(addressesOf(message, ATTRIBUTE.xorPeerAddress)).toEqual([{ address: '8.8.8.8', port: 1 }]);
    expect(findAttribute(message, ATTRIBUTE.data)).toEqual(HELLO);
  });

  test.each([
    [false, '40000005' + HELLO.toString('hex')],
    [true, '40000005' + HELLO.toString('hex') + '000000'],
  ])('a bound peer comes as ChannelData, padded: %s', (padded, expected) => {
    const path = pathTo('8.8.8.8');
    path.setPadded(padded);
    path.bindChannel(0x4000, PEER);
    expect((from(path, '8.8.8.8', 4_000) as Buffer).toString('hex')).toBe(expected);
    path.unbindChannel(0x4000);
    expect(parseStun(from(path, '8.8.8.8', 4_000) as Buffer).method).toBe(METHOD.data);
  });
});

// A datagram may be longer than a Data indication can carry; printing it once threw and ended the process.
test.each([
  ['2606:4700::1', 65_504, 'Buffer'],
  ['2606:4700::1', 65_505, 'malformed'],
  ['8.8.8.8', 65_507, 'malformed'],
])('a payload from %s of %i bytes: %s', (address, bytes, expected) => {
  const result = pathTo(address).fromPeer(Buffer.alloc(bytes), address, 9, () => ID);
  expect(typeof result === 'string' ? result : 'Buffer').toBe(expected);
  const bound = pathTo(address);
  bound.bindChannel(0x4000, { address, port: 9 });
  expect(bound.fromPeer(Buffer.alloc(bytes), address, 9, () => ID)).toHaveLength(bytes + 4);
});

test('our own announced address is reached inside, at its ports only, in both directions', () => {
  const path = pathTo();
  path.permit('9.9.9.9', [{ first: 24_000, last: 24_001 }]);
  const send = (port: number) => path.fromClient(sendIndication({ address: '9.9.9.9', port }, HELLO));
  expect(send(24_000)).toMatchObject({ address: '10.0.1.5', port: 24_000 });
  expect(send(3_478)).toBe('port-denied');
  expect(path.fromPeer(HELLO, '10.0.1.5', 22, () => ID)).toBe('port-denied');
  const message = parseStun(path.fromPeer(HELLO, '10.0.1.5', 24_001, () => ID) as Buffer);
  expect(addressesOf(message, ATTRIBUTE.xorPeerAddress)).toEqual([{ address: '9.9.9.9', port: 24_001 }]);
});

test('ChannelData: what is printed is what is read', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0x4000, max: 0x4fff }),
      fc.uint8Array({ maxLength: 2_000 }),
      fc.boolean(),
      (channel, payload, padded) => {
        const bytes = printChannelData(channel, payload, padded);
        expect(bytes.readUInt16BE()).toBe(channel);
        expect(channelPayload(bytes)).toEqual(Buffer.from(payload));
        if (padded) expect(bytes.length % 4).toBe(0);
      },
    ),
  );
});

test('a Send indication: what is printed is what is read; noise never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1_500 }), fc.integer({ min: 1, max: 65_535 }), (payload, port) => {
      const peer = { address: '8.8.8.8', port };
      expect(readSendIndication(sendIndication(peer, Buffer.from(payload)))).toEqual({
        payload: Buffer.from(payload),
        peer,
      });
      const path = pathTo('8.8.8.8');
      path.fromClient(Buffer.from(payload));
      path.fromClient(Buffer.concat([Buffer.from('001600002112a442', 'hex'), payload]));
    }),
  );
});
