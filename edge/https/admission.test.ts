import { describe, expect, test } from 'vitest';
import { Admission } from './admission.ts';
import { addressKey, plainAddress } from './client-address.ts';

const limits = { maxConnections: 3, maxConnectionsPerAddress: 2, maxHandshakes: 2, handshakeMs: 1000 };

describe('admission', () => {
  test('counts in all, per address and in the handshake, and gives back', () => {
    const admission = new Admission(limits, (address) => address !== '192.0.2.66');
    const first = admission.admit('192.0.2.1');
    const second = admission.admit('192.0.2.1');
    expect(admission.admit('192.0.2.1')).toBe('connections-per-address');
    expect(admission.admit('192.0.2.66')).toBe('banned');
    expect(admission.admit('192.0.2.2')).toBe('handshakes');
    if (typeof first === 'string' || typeof second === 'string') throw new Error('not admitted');
    first.handshakeDone();
    first.handshakeDone();
    const third = admission.admit('192.0.2.2');
    expect(typeof third).toBe('object');
    second.handshakeDone();
    expect(admission.admit('192.0.2.3')).toBe('connections');
    first.left();
    first.left();
    second.left();
    if (typeof third !== 'string') third.left();
    expect(admission).toMatchObject({ connections: 0, handshakes: 0, addresses: 0 });
  });
});

describe('addresses', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s is counted as %s', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });

  test('IPv4 in IPv6 clothes is IPv4', () => {
    expect(plainAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
    expect(plainAddress('2001:db8::1')).toBe('2001:db8::1');
  });
});
