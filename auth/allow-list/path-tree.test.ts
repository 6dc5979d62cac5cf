import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPathTree } from './path-tree.ts';

const path = fc.stringMatching(/^\/[ab/]{0,8}$/);
const entry = fc.record({ path, match: fc.constantFrom('exact' as const, 'prefix' as const) });

test('finds what reading every rule would find, longest first', () => {
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 30 }), path, (entries, wanted) => {
      const tree = createPathTree<string>();
      for (const { path, match } of entries) tree.add(path, match, `${match} ${path}`);
      const expected = entries
        .filter(({ path, match }) => (match === 'exact' ? path === wanted : wanted.startsWith(path)))
        .map(({ path, match }) => `${match} ${path}`);
      const found = tree.matches(wanted);
      expect([...found].sort()).toEqual(expected.sort());
      const lengths = found.map((text) => text.length - (text.startsWith('exact') ? 6 : 7));
      expect(lengths).toEqual([...lengths].sort((a, b) => b - a));
    }),
  );
});

test('there is a nearest one whenever there is one at all', () => {
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 30 }), path, (entries, wanted) => {
      const tree = createPathTree<string>();
      for (const { path, match } of entries) tree.add(path, match, path);
      expect(tree.nearest(wanted)).toBeDefined();
    }),
  );
  expect(createPathTree().nearest('/a')).toBeUndefined();
});

test('the nearest shares the longest beginning', () => {
  const tree = createPathTree<string>();
  for (const text of ['/cucm-uds/version', '/cucm-uds/user/', '/ssosp/']) tree.add(text, 'prefix', text);
  expect(tree.nearest('/cucm-uds/use')).toBe('/cucm-uds/user/');
  expect(tree.nearest('/cucm-uds/verses')).toBe('/cucm-uds/version');
  expect(tree.nearest('/sso')).toBe('/ssosp/');
});
