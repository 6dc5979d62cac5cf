import { expect, test } from 'vitest';
import { ReHome } from './re-home.ts';

test.each([
  ['too soon', 9_999, [1], []],
  ['in time', 10_000, [1], ['core1']],
  ['nobody could take them', 60_000, [], []],
  ['only a core of another zone', 60_000, [2], []],
])('%s', (_name, nowMs, zonesUp, expected) => {
  const rehome = new ReHome(10_000);
  rehome.lost({ name: 'core1', zoneId: 1 }, 0);
  expect(rehome.due(nowMs, (zoneId) => zonesUp.includes(zoneId))).toEqual(expected);
});

test('a core that is back keeps its clients', () => {
  const rehome = new ReHome(10_000);
  rehome.lost({ name: 'core1', zoneId: 1 }, 0);
  rehome.back('core1');
  expect(rehome.due(60_000, () => true)).toEqual([]);
});
