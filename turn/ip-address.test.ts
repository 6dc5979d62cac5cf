// Text ↔ bytes of IP addresses: every textual form ends in one canonical form.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressBytes, addressText, canonicalAddress } from './ip-address.ts';

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:c000:0201', '192.0.2.1'],
  ['0:0:0:0:0:ffff:192.0.2.1', '192.0.2.1'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8::192.0.2.1', '2001:db8::c000:201'],
  ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
  ['fe80::1%eth0', undefined],
  ['localhost', undefined],
  ['1.2.3', undefined],
  ['', undefined],
])('%s is %s', (text, expected) => {
  expect(canonicalAddress(text)).toBe(expected);
});

test('bytes → text → bytes', () => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(address, (raw) => {
      const bytes = Buffer.from(raw);
      expect(addressBytes(addressText(bytes))).toEqual(bytes);
    }),
  );
});
