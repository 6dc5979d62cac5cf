// `node test/fuzz/native/main.ts [seconds]`: fuzzes the native packet path for that long (600), then soaks the whole
// engine under ThreadSanitizer and AddressSanitizer. Ends with 1 at the first finding; its input is kept and named.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildProgram, missingPackages, writeSeeds } from './build.ts';

const SOAK_SHARE = 0.25;

function run(program: string, ...args: string[]): void {
  const { status } = spawnSync(program, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(1);
}

const seconds = Number(process.argv[2] ?? 600);
const missing = missingPackages();
if (missing.length > 0) {
  process.stdout.write(`skipped: the native engine's fuzzing needs ${missing.join(', ')}\n`);
} else {
  const folder = mkdtempSync(path.join(tmpdir(), 'viaduct-fuzz-'));
  const corpus = path.join(folder, 'corpus');
  mkdirSync(corpus);
  writeSeeds(path.join(folder, 'seeds'));
  const fuzzer = buildProgram(folder, 'packet-path', 'fuzzer,address,undefined');
  const limits = [
    '-max_len=8192',
    '-len_control=0',
    `-max_total_time=${seconds}`,
    '-timeout=10',
    '-print_final_stats=1',
  ];
  run(fuzzer, ...limits, `-artifact_prefix=${folder}/`, corpus, path.join(folder, 'seeds'));
  const soak = String(Math.ceil(seconds * SOAK_SHARE));
  run(buildProgram(folder, 'soak', 'thread'), soak);
  run(buildProgram(folder, 'soak', 'address,undefined'), soak);
}
