import { existsSync } from 'node:fs';
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
