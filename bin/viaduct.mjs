#!/usr/bin/env node
// The launcher: plain JavaScript, so that an old Node can still say what is wrong. It re-executes itself with
// the Node pinned in node_modules when the one that started it is too old to run TypeScript, then hands over
// to the command line in admin/cli.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const pinned = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url));
const wanted = 24;

if (Number(process.versions.node.split('.')[0]) >= wanted) {
  module.enableCompileCache?.();
  const built = new URL('../dist/admin/cli/main.js', import.meta.url);
  const source = new URL('../admin/cli/main.ts', import.meta.url);
  const { main } = await import(existsSync(source) ? source.href : built.href);
  // exit, not exitCode: a process that could not start must end even while a part of it still holds a handle.
  process.exit(await main(process.argv));
} else if (existsSync(pinned) && process.env.VIADUCT_RELAUNCHED !== '1') {
  const child = spawn(pinned, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    stdio: 'inherit',
    env: { ...process.env, VIADUCT_RELAUNCHED: '1' },
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => (signal ? process.kill(process.pid, signal) : process.exit(code ?? 1)));
} else {
  process.stderr.write(
    `viaduct: needs Node ${wanted} or newer, this is ${process.versions.node}. Install it, or run npm ci.\n`,
  );
  process.exitCode = 1;
}
