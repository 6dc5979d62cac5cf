// docs/attacks.md says where each attack is tried. The page is held to the tree: files it names exist, rows that tests
// name are known to it.
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const page = readFileSync(path.join(root, 'docs/attacks.md'), 'utf8');
const rows = page.split('\n').filter((line) => line.startsWith('| T-'));
const idsOf = (text: string): string[] => text.match(/\bT-\d{3}\b/g) ?? [];

test('every file that the page names exists', () => {
  const named = [...new Set(rows.join('\n').match(/`[\w/.-]+\.test\.ts`/g))].map((name) => name.slice(1, -1));
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((name) => !existsSync(path.join(root, name)))).toEqual([]);
});

test('the page knows every row that a test names', () => {
  const known = new Set(idsOf(page));
  const tests = globSync('**/*.test.ts', {
    cwd: root,
    exclude: ['node_modules/**', 'dist/**', 'test/house/**'],
  });
  const unknown = tests.flatMap((name) =>
    idsOf(readFileSync(path.join(root, name), 'utf8'))
      .filter((id) => !known.has(id))
      .map((id) => `${id} in ${name}`),
  );
  expect(unknown).toEqual([]);
});

test('every row says where it is tried and what holds', () => {
  for (const row of rows) {
    const cells = row.split(' | ');
    expect(cells, row).toHaveLength(3);
    expect(cells[1], row).toMatch(/`.+\.test\.ts`/);
  }
});
