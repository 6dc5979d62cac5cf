// Dial policy: the first rule decides, every spelling of a target is looked at, patterns are whole.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileDialPolicy, matchesPattern, type DialRule } from './dial-policy.ts';

const rule = (part: Partial<DialRule> & Pick<DialRule, 'name' | 'action'>): DialRule => ({
  deployments: [],
  users: [],
  targets: [],
  ...part,
});

const RULES = [
  rule({ name: 'service desk', action: 'allow', users: ['desk@*'], targets: ['+49900*', '0900*'] }),
  rule({ name: 'premium', action: 'deny', targets: ['+49900*', '0900*'] }),
  rule({ name: 'guests stay inside', action: 'deny', deployments: ['guests'], targets: ['+*', '00*'] }),
  rule({ name: 'no partner', action: 'deny', targets: ['*@partner.example'] }),
];

const attempt = (user: string, ...targets: string[]) => ({ deployment: 'default', user, targets });

describe('rules', () => {
  test.each([
    ['a number that no rule names', attempt('alice@example.com', '1002'), undefined],
    ['a premium number', attempt('alice@example.com', '0900123', '0900123@example.com'), 'premium'],
    ['the same of who may', attempt('desk@example.com', '0900123'), undefined],
    [
      'a guest abroad',
      { ...attempt('eve@example.com', '+15550100'), deployment: 'guests' },
      'guests stay inside',
    ],
    ['anybody else abroad', attempt('alice@example.com', '+15550100'), undefined],
    ['an address by any spelling', attempt('alice@example.com', 'bob', 'BOB@Partner.Example'), 'no partner'],
  ])('%s', (_name, call, expected) => {
    expect(compileDialPolicy(RULES, 'allow')(call)?.rule).toBe(expected);
  });

  test('what no rule names may be closed', () => {
    const judge = compileDialPolicy([rule({ name: 'inside', action: 'allow', targets: ['1*'] })], 'deny');
    expect(judge(attempt('a@b', '1002'))).toBeUndefined();
    expect(judge(attempt('a@b', '2002'))).toEqual({ rule: 'otherwise' });
  });
});

describe('patterns', () => {
  test.each([
    ['0900*', '0900', true],
    ['0900*', '00900', false],
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['a*c*e', 'abcde', true],
    ['a*c*e', 'abcd', false],
    ['a.c', 'abc', false],
    ['**a', 'bba', true],
  ])('%s and %s: %s', (pattern, text, expected) => {
    expect(matchesPattern(pattern, text)).toBe(expected);
  });

  test('they say what a regular expression would', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*'), maxLength: 8 });
    fc.assert(
      fc.property(letters, fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 }), (pattern, text) => {
        const expression = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
        expect(matchesPattern(pattern, text)).toBe(expression.test(text));
      }),
    );
  });
});
