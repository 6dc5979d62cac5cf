import { expect, it } from 'vitest';
import { ByteRate } from './byte-rate.ts';

it('lets a burst pass, then makes the sender wait as long as it is ahead', () => {
  const rate = new ByteRate(1000, 2000, 0);
  expect(rate.take(2000, 0)).toBe(0);
  expect(rate.take(500, 0)).toBe(500);
  expect(rate.take(0, 500)).toBe(0);
  expect(rate.take(100, 600)).toBe(0);
  expect(rate.take(2000, 100_000)).toBe(0);
  expect(rate.take(1, 100_000)).toBe(1);
});
