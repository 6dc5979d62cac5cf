// The folder of one test run: configurations, keys, logs, recordings. Removed at the end unless
// VIADUCT_KEEP_LOGS is set, which says where it is kept.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface RunFolder {
  readonly path: string;
  remove(): void;
}

/** Makes a folder whose name tells which suite it belongs to. */
export function makeRunFolder(label: string): RunFolder {
  const folder = mkdtempSync(path.join(tmpdir(), `viaduct-${label}-`));
  return {
    path: folder,
    remove: () => {
      if (process.env['VIADUCT_KEEP_LOGS'] === undefined) rmSync(folder, { recursive: true, force: true });
      else process.stderr.write(`kept: ${folder}\n`);
    },
  };
}
