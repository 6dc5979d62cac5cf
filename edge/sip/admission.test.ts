import { describe, expect, test } from 'vitest';
import { addressKey, Admission } from './admission.ts';
import { MessageRate } from './message-rate.ts';

const limits = { maxConnections: 3, maxConnectionsPerAddress: 2, maxHandshakes: 2 };

describe('admission', () => {
  test('bounds handshakes, then connections of one address, then all', () => {
    const admission = new Admission(limits);
    expect(admission.admit('10.0.0.1')).toBeUndefined();
    expect(admission.admit('10.0.0.1')).toBeUndefined();
    expect(admission.admit('10.0.0.2')).toBe('handshakes');
    admission.handshakeOver();
    expect(admission.admit('::ffff:10.0.0.1')).toBe('connections-per-address');
    expect(admission.admit('10.0.0.2')).toBeUndefined();
    expect(admission.admit('10.0.0.3')).toBe('connections');
  });

  test('keeps nothing of connections that are gone', () => {
    const admission = new Admission(limits);
    admission.admit('10.0.0.1');
    admission.admit('10.0.0.1');
    admission.handshakeOver();
    admission.handshakeOver();
    admission.release('10.0.0.1');
    admission.release('10.0.0.1');
    expect([admission.connections, admission.handshakes, admission.addresses]).toEqual([0, 0, 0]);
  });

  const rows: [string, string][] = [
    ['10.1.2.3', '10.1.2.3'],
    ['::ffff:10.1.2.3', '10.1.2.3'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
  ];
  test.each(rows)('%s counts as %s', (address, key) => expect(addressKey(address)).toBe(key));
});

test('a connection may burst two seconds and then sustain its rate', () => {
  const rate = new MessageRate(10, 0);
  for (let n = 0; n < 20; n += 1) expect(rate.take(0)).toBe(true);
  expect(rate.take(0)).toBe(false);
  expect(rate.take(99)).toBe(false);
  expect(rate.take(100)).toBe(true);
  expect(rate.take(101)).toBe(false);
});
