#!/usr/bin/env node
// The launcher: plain JavaScript, so that an old Node can still say what is wrong. It hands over to the command line in
// admin/cli, after it has become the right process: the Node pinned in node_modules when the one that started it is
// too old to run TypeScript, and, for edge and core, with a garbage collector that fits bulk transfers.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const WANTED_NODE = 24;
/**
 * Bodies pass through young garbage: a young generation that holds it, and no full collection for each 32 MiB of
 * buffers that came and went (V8's default until it counts them with the heap). Together they were half of a download.
 */
const FLAGS = ['--max-semi-space-size=64'];
if (process.versions.v8.startsWith('13.')) FLAGS.push('--external-memory-accounted-in-global-limit');

const pinned = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
const script = fileURLToPath(import.meta.url);
const args = process.argv.slice(2);
const flags = ['edge', 'core'].includes(args[0] ?? '') ? FLAGS : [];
const isNewEnough = Number(process.versions.node.split('.')[0]) >= WANTED_NODE;
const lacksFlags = flags.some(
  (flag) => !process.execArgv.includes(flag) && !process.env.NODE_OPTIONS?.includes(flag),
);
const environment = { ...process.env, VIADUCT_RELAUNCHED: '1' };

/** Runs the pinned Node as a child; its end is ours. */
function relaunch() {
  const child = spawn(pinned, [...flags, script, ...args], { stdio: 'inherit', env: environment });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => (signal ? process.kill(process.pid, signal) : process.exit(code ?? 1)));
}

async function run() {
  delete process.env.VIADUCT_RELAUNCHED; // it is about this process, not about those it starts
  module.enableCompileCache?.();
  const built = new URL('../dist/admin/cli/main.js', import.meta.url);
  const source = new URL('../admin/cli/main.ts', import.meta.url);
  const { main } = await import(existsSync(source) ? source.href : built.href);
  // exit, not exitCode: a process that could not start must end even while a part of it still holds a handle.
  process.exit(await main(process.argv));
}

if (isNewEnough && lacksFlags && process.execve && process.env.VIADUCT_RELAUNCHED !== '1') {
  process.execve(
    process.execPath,
    [process.execPath, ...flags, ...process.execArgv, script, ...args],
    environment,
  );
} else if (isNewEnough) {
  await run();
} else if (existsSync(pinned) && process.env.VIADUCT_RELAUNCHED !== '1') {
  relaunch();
} else {
  process.stderr.write(
    `viaduct: needs Node ${WANTED_NODE} or newer, this is ${process.versions.node}. Install it, or run npm ci.\n`,
  );
  process.exitCode = 1;
}
