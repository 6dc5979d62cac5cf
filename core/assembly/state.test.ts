import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openState, type CoreState } from './state.ts';

const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
let folder: string;
let state: CoreState | undefined;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'viaduct-state-'));
});
afterEach(async () => {
  await state?.store.close();
  rmSync(folder, { recursive: true });
});

const open = async (where: string): Promise<CoreState> =>
  (state = await openState(where, { log, count: () => {} }));

test('a state directory is made with the folders above it, for nobody else to read', async () => {
  const where = path.join(folder, 'above', 'state');
  expect((await open(where)).health()).toBe('');
  expect(statSync(where).mode & 0o777).toBe(0o700);
});

// Node's recursive mkdir never returned below /proc: core hung before it listened.
test.each([
  ['where nothing can be made', () => '/proc/viaduct/state', /folder: ENOENT/],
  ['below a file', () => path.join(folder, 'file', 'state'), /folder: .*(ENOTDIR|is not a folder)/],
  ['that is a file', () => path.join(folder, 'file'), /folder: .*is not a folder/],
])('one %s is told, and core goes on in memory', async (_name, where, words) => {
  writeFileSync(path.join(folder, 'file'), 'in the way');
  const opened = await open(where());
  expect(opened.health()).toMatch(words);
  const space = opened.store.namespace('x', {
    maxEntries: 1,
    maxEntryLength: 10,
    whenFull: 'refuse',
    durable: true,
  });
  await space.set('key', 'value', 1000);
  expect(await space.get('key')).toBe('value');
});
