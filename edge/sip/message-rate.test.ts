import { expect, test } from 'vitest';
import { MessageRate } from './message-rate.ts';

test('a connection may burst two seconds and then sustain its rate', () => {
  const rate = new MessageRate(10, 0);
  for (let n = 0; n < 20; n += 1) expect(rate.take(0)).toBe(true);
  expect(rate.take(0)).toBe(false);
  expect(rate.take(99)).toBe(false);
  expect(rate.take(100)).toBe(true);
  expect(rate.take(101)).toBe(false);
});
