import { expect, test } from 'vitest';
import { plainAddress } from './client-address.ts';

test('IPv4 in IPv6 clothes is IPv4', () => {
  expect(plainAddress('::ffff:192.0.2.1')).toBe('192.0.2.1');
  expect(plainAddress('2001:db8::1')).toBe('2001:db8::1');
});
