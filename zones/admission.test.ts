// The gate before authentication: every bound bites, and lets go.
import { describe, expect, it } from 'vitest';
import { Admission, type AdmissionOptions, sourceKey } from './admission.ts';
import { ManualClock } from './test-clock.ts';

const WIDE: AdmissionOptions = {
  maxPending: 100,
  maxPendingPerAddress: 100,
  perAddressPerSecond: 100,
  perAddressBurst: 100,
  maxAddresses: 100,
};

describe('admission', () => {
  it.each([
    ['in all', { maxPending: 2 }, ['a', 'b', 'c'], 'pending'],
    ['per address', { maxPendingPerAddress: 2 }, ['a', 'a', 'a'], 'pending-address'],
    ['per second', { perAddressBurst: 2 }, ['a', 'a', 'a'], 'rate'],
    ['addresses', { maxAddresses: 2 }, ['a', 'b', 'c'], 'addresses'],
  ] as const)('bounds knocking %s', (_name, change, addresses, reason) => {
    const gate = new Admission({ ...WIDE, ...change }, new ManualClock());
    const answers = addresses.map((address) => gate.admit(address));
    expect(answers.map((answer) => (answer.ok ? 'in' : answer.reason))).toEqual(['in', 'in', reason]);
  });

  it('frees a place once, however often it is released', () => {
    const gate = new Admission({ ...WIDE, maxPending: 2 }, new ManualClock());
    const [first, second] = [gate.admit('a'), gate.admit('a')];
    if (first.ok) [first, first].forEach((place) => place.release());
    expect(gate.pending).toBe(1);
    expect(gate.admit('a').ok).toBe(true);
    expect(gate.admit('a').ok).toBe(false);
    if (second.ok) second.release();
    expect(gate.admit('a').ok).toBe(true);
  });

  it('refills with time, and then forgets the address', () => {
    const clock = new ManualClock();
    const gate = new Admission(
      { ...WIDE, perAddressPerSecond: 1, perAddressBurst: 1, maxAddresses: 1 },
      clock,
    );
    const place = gate.admit('a');
    expect(gate.admit('a')).toMatchObject({ ok: false, reason: 'rate' });
    clock.advance(1000);
    expect(gate.admit('b')).toMatchObject({ ok: false, reason: 'addresses' }); // a still stands at the door
    if (place.ok) place.release();
    expect(gate.admit('b').ok).toBe(true);
  });

  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:0DB8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['::1', '0:0:0:0'],
    ['', ''],
  ])('knows %s as %s', (address, key) => expect(sourceKey(address)).toBe(key));
});
