import { createSecretKey } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkFlowToken, flowTokenLength, printFlowToken } from './flow-token.ts';

const key = createSecretKey(Buffer.alloc(32, 7));
const other = createSecretKey(Buffer.alloc(32, 8));

describe('flow token', () => {
  test('comes back as the number it was made of, under the same key only', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (id) => {
        const token = printFlowToken(key, id);
        expect(token).toHaveLength(flowTokenLength);
        expect(checkFlowToken(key, token)).toBe(id);
        expect(checkFlowToken(other, token)).toBeUndefined();
      }),
    );
  });

  const good = printFlowToken(key, 5);
  const rows: [string, string][] = [
    ['empty', ''],
    ['too short', good.slice(1)],
    ['too long', `${good}A`],
    ['first character changed', `B${good.slice(1)}`],
    ['last character changed', `${good.slice(0, -1)}${good.endsWith('A') ? 'Q' : 'A'}`],
    ['padding instead of a character', `${good.slice(0, -1)}=`],
    ['characters outside the alphabet', `${good.slice(0, -2)}!!`],
  ];
  test.each(rows)('%s is not ours', (_name, token) => {
    expect(checkFlowToken(key, token)).toBeUndefined();
  });

  test('no text is taken for ours', () => {
    fc.assert(fc.property(fc.string(), (text) => checkFlowToken(key, text) === undefined));
  });
});
