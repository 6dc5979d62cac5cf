import { expect, test } from 'vitest';
import { HandClock } from './hand-clock.ts';
import { LineBudget } from './line-budget.ts';

test('a flood gets its burst and its rate, and the next line says what was left out', () => {
  const clock = new HandClock();
  let counted = 0;
  const budget = new LineBudget(2, clock, () => (counted += 1));
  const lines = Array.from({ length: 50 }, () => budget.take()).filter((line) => line !== undefined);
  expect(lines).toHaveLength(20);
  expect(counted).toBe(30);
  clock.move(500);
  expect(budget.take()).toEqual({ suppressed: 30 });
  expect(budget.take()).toBeUndefined();
  clock.move(60_000);
  expect(budget.take()).toEqual({ suppressed: 1 });
  expect(budget.take()).toEqual({});
});
