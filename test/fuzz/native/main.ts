// `node test/fuzz/native/main.ts [seconds]`: fuzzes the native packet paths for that long (600), then soaks the whole
// engines under ThreadSanitizer and AddressSanitizer. Ends with 1 at the first finding; its input is kept and named.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buildProgram, missingPackages, writeDtlsSeeds, writeSeeds, writeTurnSeeds } from './build.ts';

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
  const share = String(Math.ceil(seconds / 3));
  for (const [program, write] of [
    ['packet-path', writeSeeds],
    ['turn-path', writeTurnSeeds],
    ['dtls-path', writeDtlsSeeds],
  ] as const) {
    const corpus = path.join(folder, `corpus-${program}`);
    const seeds = path.join(folder, `seeds-${program}`);
    mkdirSync(corpus);
    write(seeds);
    const limits = ['-max_len=8192', '-len_control=0', `-max_total_time=${share}`, '-timeout=10'];
    const fuzzer = buildProgram(folder, program, 'fuzzer,address,undefined');
    run(fuzzer, ...limits, '-print_final_stats=1', `-artifact_prefix=${folder}/`, corpus, seeds);
  }
  const soak = String(Math.ceil(seconds * SOAK_SHARE));
  for (const program of ['soak', 'turn-soak'] as const) {
    run(buildProgram(folder, program, 'thread'), soak);
    run(buildProgram(folder, program, 'address,undefined'), soak);
  }
}
