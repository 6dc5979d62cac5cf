import { existsSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { loadConfig } from '../config/index.ts';
import { writeLabFiles } from './lab-files.ts';

test("the product's own loader accepts the files, and they can be removed", async () => {
  const files = await writeLabFiles(Date.now());
  try {
    expect(loadConfig(files.edgeConfig)).toMatchObject({ config: { edge: { name: 'edge.example.com' } } });
    expect(loadConfig(files.coreConfig)).toMatchObject({ config: { core: { name: 'core.example.com' } } });
  } finally {
    files.remove();
  }
  expect(existsSync(files.folder)).toBe(false);
});

test('what a killed lab left behind is removed by the next, what a running one needs is not', async () => {
  const left = path.join(tmpdir(), 'viaduct-lab-4194305-left');
  mkdirSync(left);
  const [first, second] = [await writeLabFiles(Date.now()), await writeLabFiles(Date.now())];
  expect([existsSync(left), existsSync(first.folder)]).toEqual([false, true]);
  first.remove();
  second.remove();
});
