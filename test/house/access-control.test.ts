// docs/access-control.md says what each setting of MRA access control is here, and which test holds it. The page is held
// to the tree: every field of the guide's tables has its row, every row a test that exists, every key a schema that has it.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (name: string): string => readFileSync(path.join(root, name), 'utf8');
const page = read('docs/access-control.md');
const section = page.split('\n## ').find((text) => text.startsWith('Settings for MRA access control')) ?? '';
const rows = section.split('\n').filter((line) => line.startsWith('| ') && !line.startsWith('| Setting'));

/** Guide X14.3, tables 10 and 22. */
const FIELDS = [
  'Authentication path',
  'Authorize by OAuth token with refresh',
  'Authorize by OAuth token (simple)',
  'Authorize by user credential',
  'Check for internal authentication availability',
  'Identity providers',
  'SAML metadata',
  'Allow Jabber iOS clients to use embedded Safari',
  'SIP token extra time to live',
  'Allow activation code onboarding',
];

it.each(FIELDS)('%s has its row', (field) => {
  expect(rows.some((row) => row.includes(field))).toBe(true);
});

it.each(rows)('%s', (row) => {
  const tests = row.match(/`[\w/.-]+\.test\.ts`/g) ?? [];
  expect(tests.length).toBeGreaterThan(0);
  expect(row.split(' | ')[4]).toMatch(/^built/);
});

test('every file that the page names exists', () => {
  const named = [...new Set(page.match(/`(?:[\w-]+\/)+[\w.-]+\.ts`/g))].map((name) => name.slice(1, -1));
  expect(named.length).toBeGreaterThan(10);
  expect(named.filter((name) => !existsSync(path.join(root, name)))).toEqual([]);
});

test('every key that the page names is in the reference of the configuration', () => {
  const reference = read('docs/configuration.md');
  const keys = [...new Set(rows.join('\n').match(/`(?:access|saml|oauth)\.[a-z.-]+`/g))];
  expect(keys.length).toBeGreaterThan(5);
  expect(keys.filter((key) => !reference.includes(key))).toEqual([]);
});
