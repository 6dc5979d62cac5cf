import { expect, test } from 'vitest';
import { foldUser, isUserId } from './user-id.ts';

test.each([
  ['Alice', 'alice'],
  ['ALICE@Example.COM', 'alice@example.com'],
  // The Kelvin sign and the dotted capital I would become ASCII letters, and with them another user.
  ['\u212Aate', '\u212Aate'],
  ['\u0130an', '\u0130an'],
  ['Ärger', 'Ärger'],
])('%s folds to %s', (user, folded) => {
  expect(foldUser(user)).toBe(folded);
});

test.each([
  ['alice', true],
  ['alice.b-c_d@example.com', true],
  ["o'hara+1", true],
  ['', false],
  ['.', false],
  ['..', false],
  ['a b', false],
  ['a/b', false],
  ['a;b', false],
  ['a?b', false],
  ['a%62', false],
  ['a:b', false],
  ['\ud800', false],
  ['a'.repeat(128), true],
  ['a'.repeat(129), false],
])('%s: %s', (user, expected) => {
  expect(isUserId(user)).toBe(expected);
});
