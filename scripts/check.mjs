// `npm run check`: everything that must hold before a commit, side by side, under a minute. Prints only what failed.
import { spawn } from 'node:child_process';

const STEPS = [
  ['format', 'oxfmt', ['--check', '.']],
  ['lint', 'oxlint', ['--type-aware']],
  ['types', 'tsc', ['--noEmit']],
  ['unused code', 'knip', ['--no-progress']],
  ['unit tests, import direction', 'vitest', ['run', '--project', 'unit', '--reporter', 'dot']],
];

function run([name, command, args]) {
  return new Promise((resolve) => {
    const started = performance.now();
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, NO_COLOR: '1' },
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    child.on('error', (error) =>
      resolve({ name, failed: true, output: `${command}: ${error.message}\n`, seconds: 0 }),
    );
    child.on('close', (code) =>
      resolve({ name, failed: code !== 0, output, seconds: (performance.now() - started) / 1000 }),
    );
  });
}

const started = performance.now();
const fast = await Promise.all(STEPS.slice(0, -1).map(run));
const results = [...fast, await run(STEPS.at(-1))];
for (const { name, failed, output, seconds } of results) {
  process.stdout.write(`${failed ? '✗' : '✓'} ${name} (${seconds.toFixed(1)} s)\n`);
  if (failed) process.stdout.write(output);
}
const failures = results.filter(({ failed }) => failed).length;
process.stdout.write(
  `check: ${failures === 0 ? 'all good' : `${failures} failed`} in ${((performance.now() - started) / 1000).toFixed(1)} s\n`,
);
process.exitCode = failures === 0 ? 0 : 1;
