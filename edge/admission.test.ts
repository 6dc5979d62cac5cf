import { describe, expect, test } from 'vitest';
import { Admission } from './admission.ts';

const limits = { maxConnections: 3, maxConnectionsPerAddress: 2, maxHandshakes: 2 };

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

test('one subscriber is one address: IPv4 in IPv6 clothes, the whole /64', () => {
  const admission = new Admission({ ...limits, maxHandshakes: 10 });
  for (const address of ['192.0.2.1', '::ffff:192.0.2.1', '2001:db8::1']) admission.admit(address);
  expect(admission.addresses).toBe(2);
  expect(admission.admit('192.0.2.1')).toBe('connections');
});
