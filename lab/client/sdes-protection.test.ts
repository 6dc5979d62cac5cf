import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import {
  createProtect,
  createSdesKey,
  createUnprotect,
  matchKeys,
  offeredSuites,
} from './sdes-protection.ts';

const packet = Buffer.concat([Buffer.from('8000000100000000deadbeef', 'hex'), Buffer.alloc(160, 0x55)]);

test.each([...offeredSuites, 'AES_CM_128_HMAC_SHA1_32'])(
  '%s: what one side protects the other opens',
  (suite) => {
    const key = createSdesKey(1, suite, randomBytes);
    const wire = createProtect(key)(packet);
    expect(wire.includes(packet.subarray(12))).toBe(false);
    expect(createUnprotect(key)(wire)).toEqual(packet);
    expect(createUnprotect(createSdesKey(1, suite, randomBytes))(wire)).toBeUndefined();
    const changed = Buffer.from(wire);
    changed[20]! ^= 1;
    expect(createUnprotect(key)(changed)).toBeUndefined();
  },
);

test('an unknown suite is an error, not silence', () => {
  expect(() => createSdesKey(1, 'NULL_HMAC', randomBytes)).toThrow(RangeError);
});

const key = (tag: number, suite: string, inline = 'x') => ({ tag, suite, inline });
test.each([
  ['the second of two', [key(1, 'A'), key(2, 'B')], [key(2, 'B', 'y')], 2],
  ['another suite under the same tag', [key(1, 'A')], [key(1, 'B')], undefined],
  ['a tag that was not offered', [key(1, 'A')], [key(3, 'A')], undefined],
  ['no key at all', [key(1, 'A')], [], undefined],
])('the answer takes %s', (_, offered, answered, tag) => {
  expect(matchKeys(offered, answered)?.offered.tag).toBe(tag);
});
