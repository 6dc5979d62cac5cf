// Media's and TURN's native engines and the DTLS server under clang's sanitizers, a few seconds each: random inputs on the packet path, then
// the whole engine on loopback while everything under it changes. `node test/fuzz/native/main.ts` does it for longer.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  buildProgram,
  missingPackages,
  writeDtlsSeeds,
  writeSeeds,
  writeTurnSeeds,
} from '../fuzz/native/build.ts';

const missing = missingPackages();
if (missing.length > 0) process.stderr.write(`SKIPPED native-sanitizers: needs ${missing.join(', ')}\n`);

const FUZZ_SECONDS = '6';
const SOAK_SECONDS = '3';
let folder: string;

function run(program: string, ...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  return { status, output: status === 0 ? '' : `${stdout}${stderr}`.slice(-4000) };
}

describe.skipIf(missing.length > 0)('native engines', () => {
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'viaduct-sanitizers-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test.each([
    ['packet-path', writeSeeds],
    ['turn-path', writeTurnSeeds],
    ['dtls-path', writeDtlsSeeds],
  ] as const)('%s: no byte outside a buffer, no undefined behaviour', (program, write) => {
    const seeds = path.join(folder, `seeds-${program}`);
    write(seeds);
    const fuzzer = buildProgram(folder, program, 'fuzzer,address,undefined');
    const limits = ['-max_len=8192', '-len_control=0', `-max_total_time=${FUZZ_SECONDS}`, '-timeout=10'];
    expect(run(fuzzer, ...limits, `-artifact_prefix=${folder}/`, seeds)).toEqual({ status: 0, output: '' });
  });

  test.each([
    ['soak', 'thread'],
    ['soak', 'address,undefined'],
    ['turn-soak', 'thread'],
    ['turn-soak', 'address,undefined'],
  ] as const)('%s under %s', (program, sanitizers) => {
    const soak = buildProgram(folder, program, sanitizers);
    expect(run(soak, SOAK_SECONDS)).toEqual({ status: 0, output: '' });
  });
});
