// Allocate and Refresh row by row (RFC 8656 §7, §8): attributes, families, reservations, retransmissions, quotas (T-010),
// a full server, ports that are taken.
import { describe, expect, test } from 'vitest';
import { ATTRIBUTE, type StunAttribute } from '../stun-attribute.ts';
import { readMappedAddress } from '../stun-values.ts';
import { findAttribute, METHOD, parseStun } from '../stun.ts';
import { addressesOf, number32, UDP_TRANSPORT, verdictOf } from '../test-client.ts';
import { FOUR } from '../test-server.ts';
import { timeLimitedPassword } from './credentials.ts';
import { PEER, pathOf, TestRig } from './test-rig.ts';
import type { RelayAddress } from './turn-options.ts';

const SIX: RelayAddress = { family: 6, bound: '::1', announced: '2606:4700::9' };
const DUAL = { machine: { relayAddresses: [FOUR, SIX] } };
const family = (type: number, code: number): StunAttribute => ({ type, value: Buffer.from([code, 0, 0, 0]) });
const evenPort = (reserve: boolean): StunAttribute => ({
  type: ATTRIBUTE.evenPort,
  value: Buffer.from([reserve ? 0x80 : 0]),
});
const token = (value: Buffer): StunAttribute => ({ type: ATTRIBUTE.reservationToken, value });
const relayed = (answer: Buffer | undefined) => addressesOf(parseStun(answer!), ATTRIBUTE.xorRelayedAddress);
const lifetimeOf = (answer: Buffer | undefined): number =>
  findAttribute(parseStun(answer!), ATTRIBUTE.lifetime)!.readUInt32BE();

describe('Allocate', () => {
  const { requestedAddressFamily, additionalAddressFamily, dontFragment } = ATTRIBUTE;
  test.each([
    ['plain', [UDP_TRANSPORT], 'success'],
    ['no transport', [], '400'],
    [
      'TCP, asked for over UDP',
      [{ type: ATTRIBUTE.requestedTransport, value: Buffer.from([6, 0, 0, 0]) }],
      '400',
    ],
    [
      'a transport of two bytes',
      [{ type: ATTRIBUTE.requestedTransport, value: Buffer.from([17, 0]) }],
      '400',
    ],
    ['DONT-FRAGMENT', [UDP_TRANSPORT, { type: dontFragment, value: Buffer.alloc(0) }], '420'],
    ['an unknown attribute', [UDP_TRANSPORT, { type: 0x7abc, value: Buffer.alloc(0) }], '420'],
    ['an unknown optional attribute', [UDP_TRANSPORT, { type: 0xfabc, value: Buffer.alloc(0) }], 'success'],
    ['IPv4', [UDP_TRANSPORT, family(requestedAddressFamily, 1)], 'success'],
    ['IPv6', [UDP_TRANSPORT, family(requestedAddressFamily, 2)], 'success'],
    ['a family nobody knows', [UDP_TRANSPORT, family(requestedAddressFamily, 3)], '440'],
    ['both', [UDP_TRANSPORT, family(additionalAddressFamily, 2)], 'success'],
    ['both, by IPv4', [UDP_TRANSPORT, family(additionalAddressFamily, 1)], '400'],
    [
      'both and one',
      [UDP_TRANSPORT, family(additionalAddressFamily, 2), family(requestedAddressFamily, 2)],
      '400',
    ],
    ['both with a reserved port', [UDP_TRANSPORT, family(additionalAddressFamily, 2), evenPort(true)], '400'],
    ['both, even', [UDP_TRANSPORT, family(additionalAddressFamily, 2), evenPort(false)], 'success'],
    ['a made-up token', [UDP_TRANSPORT, token(Buffer.alloc(8, 1))], '508'],
    ['a token of seven bytes', [UDP_TRANSPORT, token(Buffer.alloc(7))], '400'],
    ['a token and EVEN-PORT', [UDP_TRANSPORT, token(Buffer.alloc(8)), evenPort(false)], '400'],
    [
      'a token and a family',
      [UDP_TRANSPORT, token(Buffer.alloc(8)), family(requestedAddressFamily, 1)],
      '400',
    ],
    [
      'a lifetime of three bytes',
      [UDP_TRANSPORT, { type: ATTRIBUTE.lifetime, value: Buffer.alloc(3) }],
      '400',
    ],
  ] as const)('%s: %s', (_name, attributes, expected) => {
    const rig = new TestRig(DUAL);
    const client = rig.client();
    const before = rig.machine.sizes();
    expect(verdictOf(rig.send(client.request(METHOD.allocate, attributes)))).toBe(expected);
    if (expected !== 'success') expect(rig.machine.sizes()).toEqual(before);
  });

  test('the answer names relayed and mapped address and lifetime', () => {
    const rig = new TestRig();
    const answer = rig.send(rig.client().allocate())!;
    const [relay] = relayed(answer);
    expect(relay?.address).toBe('127.0.0.1');
    expect(relay?.port).toBeGreaterThanOrEqual(24_000);
    expect(relay?.port).toBeLessThanOrEqual(29_999);
    expect(addressesOf(parseStun(answer), ATTRIBUTE.xorMappedAddress)).toEqual([
      { address: '198.51.100.7', port: 50_000 },
    ]);
    expect(lifetimeOf(answer)).toBe(600);
  });

  test.each([
    [undefined, 600],
    [0, 600],
    [1, 600],
    [601, 601],
    [3_600, 3_600],
    [3_601, 3_600],
    [0xffff_ffff, 3_600],
  ])('LIFETIME %s is granted as %s', (asked, granted) => {
    const rig = new TestRig();
    const attributes = asked === undefined ? [] : [number32(ATTRIBUTE.lifetime, asked)];
    expect(lifetimeOf(rig.send(rig.client().allocate(...attributes)))).toBe(granted);
  });

  test('the announced address is told, the bound one is opened', () => {
    const rig = new TestRig({
      machine: { relayAddresses: [{ family: 4, bound: '10.0.1.5', announced: '9.9.9.9' }] },
    });
    const [relay] = relayed(rig.send(rig.client().allocate()));
    const [action] = rig.actionsOf('open-relay');
    expect(relay?.address).toBe('9.9.9.9');
    expect(action?.relays[0]?.bound).toEqual({ address: '10.0.1.5', port: relay?.port });
  });

  test('both families come in one answer; a family that is not served is named', () => {
    const dual = new TestRig(DUAL);
    const both = dual.send(dual.client().allocate(family(additionalAddressFamily, 2)));
    expect(relayed(both).map(({ address }) => address)).toEqual(['127.0.0.1', '2606:4700::9']);
    const single = new TestRig();
    const one = single.send(single.client().allocate(family(additionalAddressFamily, 2)))!;
    expect(relayed(one)).toHaveLength(1);
    expect(findAttribute(parseStun(one), ATTRIBUTE.addressErrorCode)).toEqual(Buffer.from([2, 0, 4, 40]));
  });

  test('EVEN-PORT is even; its neighbour goes to whoever of the same user brings the token', () => {
    const rig = new TestRig({
      credentials: {
        users: ['alice', 'eve'].map((username) => ({
          username,
          password: 'wonderland',
          deployment: 'default',
        })),
      },
    });
    const answer = rig.send(rig.client().allocate(evenPort(true)))!;
    const port = relayed(answer)[0]!.port;
    const reserved = findAttribute(parseStun(answer), ATTRIBUTE.reservationToken)!;
    expect(port % 2).toBe(0);
    const stranger = rig.client({ username: 'eve' }, pathOf(2));
    expect(verdictOf(rig.send(stranger.allocate(token(reserved)), pathOf(2)))).toBe('508');
    const second = rig.send(rig.client({}, pathOf(3)).allocate(token(reserved)), pathOf(3));
    expect(relayed(second)[0]?.port).toBe(port + 1);
    expect(verdictOf(rig.send(rig.client({}, pathOf(4)).allocate(token(reserved)), pathOf(4)))).toBe('508');
  });

  test('a reservation ends after 30 s, and with its allocation', () => {
    const rig = new TestRig();
    const answer = rig.send(rig.client().allocate(evenPort(true)))!;
    const reserved = findAttribute(parseStun(answer), ATTRIBUTE.reservationToken)!;
    rig.pass(30_000);
    expect(verdictOf(rig.send(rig.client({}, pathOf(3)).allocate(token(reserved)), pathOf(3)))).toBe('508');
    const other = rig.client({}, pathOf(4));
    rig.send(other.allocate(evenPort(true)), pathOf(4));
    rig.send(other.refresh(0), pathOf(4));
    expect(rig.machine.sizes()).toMatchObject({ reservations: 0, freePorts: 5_999 });
  });
});

describe('retransmission', () => {
  test('the same Allocate gets the same answer and one relay', () => {
    const rig = new TestRig();
    const request = rig.client().allocate();
    const first = rig.send(request);
    expect(rig.send(request)).toEqual(first);
    expect(rig.actionsOf('open-relay')).toHaveLength(1);
  });

  test('while the relay opens it is silent; another Allocate is 437', () => {
    const rig = new TestRig();
    rig.failures.push('never');
    const client = rig.client();
    const request = client.allocate();
    expect(rig.send(request)).toBeUndefined();
    expect(rig.send(request)).toBeUndefined();
    expect(verdictOf(rig.send(client.allocate()))).toBe('437');
    expect(verdictOf(rig.send(client.createPermission(PEER)))).toBe('437');
  });

  test('another Allocate of a 5-tuple that has one is 437', () => {
    const rig = new TestRig();
    const client = rig.allocated();
    expect(verdictOf(rig.send(client.allocate()))).toBe('437');
  });
});

describe('limits', () => {
  // T-010: one stolen credential opens a few allocations, not all
  test('a user has his quota and gets it back', () => {
    const rig = new TestRig({ machine: { maxAllocationsPerUser: 2 } });
    const [first] = [rig.allocated({}, pathOf(1)), rig.allocated({}, pathOf(2))];
    expect(verdictOf(rig.send(rig.client({}, pathOf(3)).allocate(), pathOf(3)))).toBe('486');
    expect(rig.counted().at(-1)).toBe('refused user-quota');
    rig.send(first.refresh(0), pathOf(1));
    rig.allocated({}, pathOf(3));
  });

  test('time-limited names of one id share its quota; a deployment has its own', () => {
    const secrets = [{ secret: 's', deployment: 'east' }];
    const rig = new TestRig({
      credentials: { secrets, wallSeconds: () => 1_000 },
      machine: { maxAllocationsPerUser: 2, maxAllocationsPerDeployment: 3 },
    });
    const allocate = (username: string, port: number): string => {
      const client = rig.client({ username, password: timeLimitedPassword(username, 's') }, pathOf(port));
      return verdictOf(rig.send(client.allocate(), pathOf(port)));
    };
    expect(['2000:bob', '2001:bob', '2002:bob'].map(allocate)).toEqual(['success', 'success', '486']);
    expect(['2000:eve', '2000:kim'].map((name, index) => allocate(name, 10 + index))).toEqual([
      'success',
      '486',
    ]);
    expect(rig.counted().at(-1)).toBe('refused deployment-quota');
    rig.allocated({}, pathOf(20));
  });

  test('a full server says 508, or names another of the same family', () => {
    const full = new TestRig({ machine: { maxAllocations: 1 } });
    full.allocated({}, pathOf(1));
    expect(verdictOf(full.send(full.client({}, pathOf(2)).allocate(), pathOf(2)))).toBe('508');
    const alternates = [
      { address: '2606:4700::2', port: 3478 },
      { address: '203.0.113.2', port: 3479 },
    ];
    const cluster = new TestRig({ machine: { maxAllocations: 1, alternates } });
    cluster.allocated({}, pathOf(1));
    const answer = cluster.send(cluster.client({}, pathOf(2)).allocate(), pathOf(2))!;
    expect(verdictOf(answer)).toBe('300');
    const value = findAttribute(parseStun(answer), ATTRIBUTE.alternateServer)!;
    expect(readMappedAddress(value)).toEqual(alternates[1]);
    const six = pathOf(3, 'udp', '2606:4700::77');
    const other = cluster.send(cluster.client({}, six).allocate(), six)!;
    expect(readMappedAddress(findAttribute(parseStun(other), ATTRIBUTE.alternateServer)!)).toEqual(
      alternates[0],
    );
  });

  test('the operator hears of 80 % and 100 % once each, and of the way back', () => {
    const rig = new TestRig({ machine: { maxAllocations: 20 } });
    const clients = Array.from({ length: 20 }, (_, index) => rig.allocated({}, pathOf(index + 1)));
    clients.forEach((client, index) => rig.send(client.refresh(0), pathOf(index + 1)));
    const usage = rig
      .events()
      .flatMap((event) => (event.kind === 'usage' ? [[event.level, event.allocations]] : []));
    expect(usage).toEqual([
      ['high', 16],
      ['full', 20],
      ['high', 18],
      ['normal', 14],
    ]);
  });

  test('no port is left: 508; a port somebody else holds: another one', () => {
    const few = new TestRig({ machine: { firstRelayPort: 24_000, lastRelayPort: 24_000 } });
    few.allocated({}, pathOf(1));
    expect(verdictOf(few.send(few.client({}, pathOf(2)).allocate(), pathOf(2)))).toBe('508');
    const taken = new TestRig();
    taken.failures.push('address-in-use', 'address-in-use');
    taken.allocated();
    const ports = taken.actionsOf('open-relay').map(({ relays }) => relays[0]?.bound.port);
    expect(new Set(ports).size).toBe(3);
    expect(taken.machine.sizes().freePorts).toBe(5_999);
  });

  test.each([['bind-failed'], ['address-in-use']] as const)(
    'when no socket opens (%s) nothing is left',
    (code) => {
      const rig = new TestRig();
      rig.failures.push(...Array.from({ length: 8 }, () => code));
      expect(verdictOf(rig.send(rig.client().allocate()))).toBe('508');
      expect(rig.machine.sizes()).toMatchObject({ allocations: 0, reservations: 0, freePorts: 6_000 });
    },
  );
});

describe('Refresh and the end', () => {
  test.each([
    [undefined, 600],
    [900, 900],
    [100, 600],
    [90_000, 3_600],
    [0, 0],
  ])('LIFETIME %s is granted as %s', (asked, granted) => {
    const rig = new TestRig();
    const client = rig.allocated();
    const request = asked === undefined ? client.request(METHOD.refresh) : client.refresh(asked);
    expect(lifetimeOf(rig.send(request))).toBe(granted);
  });

  test('LIFETIME 0 closes; the next request has no allocation', () => {
    const rig = new TestRig();
    const client = rig.allocated();
    rig.send(client.refresh(0));
    expect(rig.actionsOf('close-relay')).toEqual([{ type: 'close-relay', allocation: 1 }]);
    expect(verdictOf(rig.send(client.refresh(600)))).toBe('437');
    expect(verdictOf(rig.send(client.createPermission(PEER)))).toBe('437');
    expect(rig.machine.sizes()).toMatchObject({ allocations: 0, reservations: 0, freePorts: 6_000 });
  });

  test('one family of two ends, the other lives', () => {
    const rig = new TestRig(DUAL);
    const client = rig.client();
    rig.send(client.allocate(family(ATTRIBUTE.additionalAddressFamily, 2)));
    const six = { address: '2606:4700::1', port: 9 };
    expect(verdictOf(rig.send(client.createPermission(PEER, six)))).toBe('success');
    expect(verdictOf(rig.send(client.refresh(0, family(ATTRIBUTE.requestedAddressFamily, 2))))).toBe(
      'success',
    );
    expect(rig.actionsOf('close-relay')).toEqual([{ type: 'close-relay', allocation: 1, family: 6 }]);
    expect(verdictOf(rig.send(client.createPermission(six)))).toBe('443');
    expect(verdictOf(rig.send(client.createPermission(PEER)))).toBe('success');
    expect(verdictOf(rig.send(client.refresh(0, family(ATTRIBUTE.requestedAddressFamily, 2))))).toBe('443');
  });

  test('what nobody refreshes expires, at the tick or at the next request', () => {
    const rig = new TestRig();
    const client = rig.allocated();
    rig.pass(599_999);
    expect(rig.machine.sizes().allocations).toBe(1);
    rig.now += 1;
    client.learn(rig.send(client.refresh(600))!);
    expect(rig.machine.sizes().allocations).toBe(0);
    rig.allocated();
    rig.pass(600_000);
    expect(rig.events().map(({ kind }) => kind)).toEqual(['allocated', 'expired', 'allocated', 'expired']);
  });

  test('no refresh carries an allocation past its greatest age', () => {
    const rig = new TestRig({ machine: { maxAgeMs: 1_200_000, nonceLifetimeMs: 9e9 } });
    const client = rig.allocated();
    for (let minute = 0; minute < 20; minute += 5) {
      expect(verdictOf(rig.send(client.refresh(600)))).toBe('success');
      rig.pass(300_000);
    }
    expect(rig.events().at(-1)?.kind).toBe('too-old');
    expect(rig.machine.sizes().allocations).toBe(0);
  });

  test('a stream that closes takes its allocation along, opening or open', () => {
    const rig = new TestRig();
    const path = pathOf(1, 'tcp');
    rig.allocated({}, path);
    rig.feed({ type: 'path-closed', path });
    rig.failures.push('never');
    rig.send(rig.client({}, path).allocate(), path);
    rig.feed({ type: 'path-closed', path });
    expect(rig.feed({ type: 'relay-opened', allocation: 2 })).toBeUndefined();
    expect(rig.machine.sizes()).toMatchObject({ allocations: 0, reservations: 0, freePorts: 6_000 });
  });
});
