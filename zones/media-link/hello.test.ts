// The media hello: sealed both ways, silent on everything else.
import { describe, expect, test } from 'vitest';
import { isSealed, parseHello, parseHelloAnswer, printHello, printHelloAnswer } from './hello.ts';

const LINK = '0123456789abcdef0123456789abcdef';
const KEY = Buffer.alloc(32, 1);
const OTHER = Buffer.alloc(32, 2);
const SOURCE = { address: '10.0.0.2', port: 40000 };
const hello = (counter = 7n): Buffer => printHello(LINK, KEY, counter, Buffer.from('rand'));

test('a hello and its answer carry link and counter', () => {
  const parsed = parseHello(hello())!;
  expect(parsed).toMatchObject({ link: LINK, counter: 7n });
  expect([isSealed(parsed, KEY), isSealed(parsed, OTHER)]).toEqual([true, false]);
  const answer = printHelloAnswer(parsed, KEY, SOURCE);
  expect([parseHelloAnswer(answer, KEY), parseHelloAnswer(answer, OTHER)]).toEqual([7n, undefined]);
});

describe('refused', () => {
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['a channel packet', Buffer.from('400000020000', 'hex')],
    ['an answer', printHelloAnswer(parseHello(hello())!, KEY, SOURCE)],
    ['a short name', printHello('abc', KEY, 1n, Buffer.alloc(4))],
    ['a cut hello', hello().subarray(0, -4)],
  ])('as hello: %s', (_name, bytes) => {
    expect(parseHello(bytes)).toBeUndefined();
  });

  test('as answer: the hello itself, and each flipped bit', () => {
    expect(parseHelloAnswer(hello(), KEY)).toBeUndefined();
    const answer = printHelloAnswer(parseHello(hello())!, KEY, SOURCE);
    for (let bit = 0; bit < answer.length * 8; bit++) {
      const forged = Buffer.from(answer);
      forged[bit >> 3]! ^= 1 << (bit & 7);
      expect(parseHelloAnswer(forged, KEY)).toBeUndefined();
    }
  });
});
