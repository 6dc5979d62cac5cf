// `npm test`: unit tests, whole processes on loopback, then software nobody here wrote. Installs the peers that the last
// part needs where it may (root on Debian); says in words what it skips. The last line counts passed, failed, skipped.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(path.join(tmpdir(), 'viaduct-test-'));
const total = { passed: 0, failed: 0, skipped: 0 };

function heading(text) {
  process.stdout.write(`\n── ${text}\n`);
}

/** Runs one vitest project; a run that executed nothing or died counts as a failure. */
function project(name, title) {
  heading(title);
  const report = path.join(folder, `${name}.json`);
  const args = [
    'run',
    '--project',
    name,
    '--reporter',
    'default',
    '--reporter',
    'json',
    '--outputFile.json',
    report,
  ];
  return new Promise((resolve) => {
    const child = spawn('vitest', [...args, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' });
    child.on('error', (error) => {
      process.stdout.write(`${name}: vitest did not start: ${error.message}\n`);
      total.failed += 1;
      resolve();
    });
    child.on('close', (code) => {
      try {
        const counts = JSON.parse(readFileSync(report, 'utf8'));
        total.passed += counts.numPassedTests;
        total.failed += counts.numFailedTests;
        total.skipped += counts.numPendingTests + counts.numTodoTests;
        if (code !== 0 && counts.numFailedTests === 0) total.failed += 1;
      } catch {
        total.failed += 1;
      }
      resolve();
    });
  });
}

await project('unit', 'unit tests');
await project('e2e', 'whole processes on loopback');
heading('peers for the interop tests');
spawnSync(process.execPath, [path.join(root, 'scripts/install-test-peers.mjs')], {
  cwd: root,
  stdio: 'inherit',
});
await project('interop', 'software nobody here wrote');
rmSync(folder, { recursive: true, force: true });

process.stdout.write(`\n${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
process.exitCode = total.failed === 0 && total.passed > 0 ? 0 : 1;
