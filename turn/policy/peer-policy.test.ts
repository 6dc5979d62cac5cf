// Whom the relay talks to: every special-purpose range in every encoding (T-001 to T-004), own addresses, lists (T-006).
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressText } from '../ip-address.ts';
import { inRange, IpRangeError, parseIpRange } from './ip-range.ts';
import { PeerPolicy, type PeerPolicyOptions } from './peer-policy.ts';
import { SPECIAL_PURPOSE } from './special-purpose.ts';

const policy = (changes: Partial<PeerPolicyOptions> = {}): PeerPolicy =>
  new PeerPolicy({
    allow: [],
    deny: [],
    ownAddresses: ['10.0.1.5', '9.9.9.9'],
    relayAddresses: ['9.9.9.9'],
    ownPorts: [{ first: 24_000, last: 29_999 }],
    ...changes,
  });

const verdict = (address: string, changes: Partial<PeerPolicyOptions> = {}): string => {
  const found = policy(changes).judge(address);
  return found.allowed ? 'allowed' : found.reason;
};

describe('addresses', () => {
  test.each([
    ['8.8.8.8', 'allowed'],
    ['2606:4700::1', 'allowed'],
    ['::ffff:8.8.8.8', 'allowed'],
    // T-001: unspecified and loopback in every spelling
    ['0.0.0.0', 'special-purpose'],
    ['0.1.2.3', 'special-purpose'],
    ['127.0.0.1', 'special-purpose'],
    ['127.255.255.254', 'special-purpose'],
    ['::', 'special-purpose'],
    ['::1', 'special-purpose'],
    ['::ffff:0.0.0.0', 'special-purpose'],
    ['::ffff:127.0.0.1', 'special-purpose'],
    ['0:0:0:0:0:0:0:1', 'special-purpose'],
    // T-003: metadata service, private networks
    ['169.254.169.254', 'special-purpose'],
    ['10.0.0.53', 'special-purpose'],
    ['192.168.1.1', 'special-purpose'],
    // T-004: behind carriers' NAT, unique local, link local, Docker's bridge
    ['100.64.0.1', 'special-purpose'],
    ['100.127.255.255', 'special-purpose'],
    ['100.128.0.1', 'allowed'],
    ['fd00::1', 'special-purpose'],
    ['fc00::1', 'special-purpose'],
    ['fe80::1', 'special-purpose'],
    ['172.17.0.1', 'special-purpose'],
    ['172.32.0.1', 'allowed'],
    // multicast, broadcast, reserved
    ['224.0.0.251', 'special-purpose'],
    ['255.255.255.255', 'special-purpose'],
    ['ff02::1', 'special-purpose'],
    // T-002: IPv4 inside IPv6
    ['::10.0.0.1', 'special-purpose'],
    ['64:ff9b::10.0.0.1', 'special-purpose'],
    ['2002:a00:1::1', 'special-purpose'],
    ['2001:0:a00:1::1', 'special-purpose'],
    ['2606:4700::5efe:10.0.0.1', 'special-purpose'],
    ['2606:4700::200:5efe:10.0.0.1', 'special-purpose'],
    // own addresses
    ['10.0.1.5', 'own-address'],
    ['::ffff:10.0.1.5', 'own-address'],
    // what is no address
    ['localhost', 'special-purpose'],
    ['', 'special-purpose'],
  ])('%s: %s', (address, expected) => {
    expect(verdict(address)).toBe(expected);
  });

  test('the relay address is a peer at relay ports only', () => {
    expect(policy().judgePeer({ address: '9.9.9.9', port: 24_001 }).allowed).toBe(true);
    expect(policy().judgePeer({ address: '::ffff:9.9.9.9', port: 24_001 }).allowed).toBe(true);
    for (const port of [0, 22, 3478, 8443, 23_999, 30_000]) {
      expect(policy().judgePeer({ address: '9.9.9.9', port })).toEqual({
        allowed: false,
        reason: 'own-address',
      });
    }
  });

  test('an encoded own address is nobody, whatever is allowed', () => {
    expect(verdict('64:ff9b::9.9.9.9', { allow: ['64:ff9b::/96'] })).toBe('own-address');
    expect(verdict('10.0.1.5', { allow: ['0.0.0.0/0'] })).toBe('own-address');
  });
});

describe('lists', () => {
  test.each([
    ['10.1.2.3', { allow: ['10.1.0.0/16'] }, 'allowed'],
    ['10.2.2.3', { allow: ['10.1.0.0/16'] }, 'special-purpose'],
    ['::ffff:10.1.2.3', { allow: ['10.1.0.0/16'] }, 'allowed'],
    ['64:ff9b::10.1.2.3', { allow: ['10.1.0.0/16'] }, 'special-purpose'],
    ['64:ff9b::10.1.2.3', { allow: ['10.1.0.0/16', '64:ff9b::/96'] }, 'allowed'],
    ['64:ff9b::10.9.2.3', { allow: ['64:ff9b::/96'] }, 'special-purpose'],
    ['8.8.8.8', { deny: ['8.8.8.0/24'] }, 'denied-range'],
    ['2002:808:808::1', { deny: ['8.8.8.0/24'], allow: ['2002::/16'] }, 'denied-range'],
    ['8.8.8.8', { deny: ['8.8.8.0/24'], allow: ['8.8.8.8'] }, 'allowed'],
    ['127.0.0.1', { allow: ['::/0'] }, 'special-purpose'],
    ['::1', { allow: ['::1'] }, 'allowed'],
    ['::1', { allow: ['127.0.0.0/8'] }, 'special-purpose'],
    ['::2', { allow: ['::/0'] }, 'special-purpose'],
  ])('%s with %j: %s', (address, changes, expected) => {
    expect(verdict(address, changes)).toBe(expected);
  });

  // T-006: a malformed entry refuses to start and is named
  test.each([
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0/8',
    '10.0.0.1/8',
    'fe80::/129',
    'fe80::1%eth0',
    'host',
    '',
    '10.0.0.0/8/8',
    '10.0.0.0 /8',
    'fd00::1/16',
  ])('entry %j is refused', (entry) => {
    expect(() => policy({ allow: ['10.0.0.0/8', entry] })).toThrow(JSON.stringify(entry));
    expect(() => policy({ deny: [entry] })).toThrow(IpRangeError);
  });
});

const four = fc.uint8Array({ minLength: 4, maxLength: 4 });
const wrap = {
  plain: (bytes: Uint8Array) => Buffer.from(bytes),
  mapped: (bytes: Uint8Array) => Buffer.concat([Buffer.from('00000000000000000000ffff', 'hex'), bytes]),
  compatible: (bytes: Uint8Array) => Buffer.concat([Buffer.alloc(12), bytes]),
  translated: (bytes: Uint8Array) => Buffer.concat([Buffer.from('0000000000000000ffff0000', 'hex'), bytes]),
  nat64: (bytes: Uint8Array) => Buffer.concat([Buffer.from('0064ff9b0000000000000000', 'hex'), bytes]),
  sixToFour: (bytes: Uint8Array) => Buffer.concat([Buffer.from('2002', 'hex'), bytes, Buffer.alloc(10, 7)]),
  teredoServer: (bytes: Uint8Array) =>
    Buffer.concat([Buffer.from('20010000', 'hex'), bytes, Buffer.alloc(8, 8)]),
  teredoClient: (bytes: Uint8Array) =>
    Buffer.concat([
      Buffer.from('2001000008080808', 'hex'),
      Buffer.alloc(4),
      bytes.map((byte) => byte ^ 0xff),
    ]),
  isatap: (bytes: Uint8Array) => Buffer.concat([Buffer.from('260647000000000000005efe', 'hex'), bytes]),
};

test.each(Object.entries(wrap))(
  'no IPv4 that is denied passes as %s, whatever prefixes are allowed',
  (_name, form) => {
    const lenient = policy({ allow: ['::/0'] });
    fc.assert(
      fc.property(four, (bytes) => {
        const denied = SPECIAL_PURPOSE.some((range) => inRange(range, Buffer.from(bytes)));
        // With zeros before it a compatible form is `::` or `::1`, which ::/0 allows as what they are.
        if (denied && Buffer.from(bytes).readUInt32BE() > 1)
          expect(lenient.judge(addressText(form(bytes))).allowed).toBe(false);
      }),
      { numRuns: 300 },
    );
  },
);

test('every special-purpose range is denied at both ends', () => {
  for (const { bytes, bits, text } of SPECIAL_PURPOSE) {
    const last = Buffer.from(
      bytes.map((byte, index) => byte | (0xff >> Math.max(0, Math.min(8, bits - index * 8)))),
    );
    for (const end of [bytes, last])
      expect([text, policy().judge(addressText(end)).allowed]).toEqual([text, false]);
  }
});

test('a range holds what its first bits say', () => {
  fc.assert(
    fc.property(four, fc.integer({ min: 0, max: 32 }), four, (base, bits, other) => {
      const number = (bytes: Uint8Array): number => Buffer.from(bytes).readUInt32BE();
      const shift = 2 ** (32 - bits);
      const first = Buffer.alloc(4);
      first.writeUInt32BE(Math.floor(number(base) / shift) * shift);
      const range = parseIpRange(`${addressText(first)}/${bits}`);
      expect(inRange(range, Buffer.from(other))).toBe(
        Math.floor(number(other) / shift) === Math.floor(number(base) / shift),
      );
    }),
  );
});
