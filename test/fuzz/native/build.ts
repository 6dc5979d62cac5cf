// Compiles the sanitized programs of this folder from the sources of media/native with Debian's clang, and says what
// is missing where they cannot be.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const COMPILER = '/usr/bin/clang++';
const SOURCES = path.resolve(import.meta.dirname, '../../../media/native/src');
/** Sources that need Node and stay out. */
const NODE_ONLY = new Set(['binding.cc', 'values.cc']);
/** Packages that are missing; empty when everything can be built. */
export function missingPackages(): string[] {
  const missing = [];
  if (!existsSync(COMPILER)) missing.push('clang');
  if (!sanitizersPresent()) missing.push('libclang-rt-14-dev');
  if (!existsSync('/usr/include/openssl/evp.h')) missing.push('libssl-dev');
  return missing;
}

/** The sanitizers' runtime is a package of its own, in the folder of the compiler's version. */
function sanitizersPresent(): boolean {
  if (!existsSync(COMPILER)) return false;
  const folder = execFileSync(COMPILER, ['--print-resource-dir'], { encoding: 'utf8' }).trim();
  return existsSync(path.join(folder, 'lib/linux'));
}

/** Builds `name`.cc of this folder with all sources under these sanitizers; returns the program. */
export function buildProgram(folder: string, name: string, sanitizers: string): string {
  const sources = readdirSync(SOURCES).filter((file) => file.endsWith('.cc') && !NODE_ONLY.has(file));
  const program = path.join(folder, `${name}-${sanitizers.replaceAll(',', '-')}`);
  execFileSync(
    COMPILER,
    [
      '-std=gnu++20',
      '-g',
      '-O1',
      '-DOPENSSL_SUPPRESS_DEPRECATED',
      `-I${SOURCES}`,
      `-fsanitize=${sanitizers}`,
      ...(sanitizers.includes('undefined') ? ['-fno-sanitize-recover=all'] : []),
      '-o',
      program,
      ...sources.map((file) => path.join(SOURCES, file)),
      path.join(import.meta.dirname, `${name}.cc`),
      '-lcrypto',
      '-pthread',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  return program;
}

/** Inputs to begin with: for each suite a call's worth of every kind of record. */
export function writeSeeds(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const rtp = Buffer.concat([
    Buffer.from('8000000100000000', 'hex'),
    Buffer.from('00000007'.repeat(9), 'hex'),
  ]);
  const extended = Buffer.concat([
    Buffer.from('92000002', 'hex'),
    Buffer.alloc(16, 7),
    Buffer.from('bede0001', 'hex'),
    rtp,
  ]);
  const rtcp = Buffer.from('80c9000100000007', 'hex');
  const stun = Buffer.from('000100002112a442000000000000000000000000', 'hex');
  const framed = Buffer.concat([Buffer.from([0x40, 0, 0, rtp.length]), rtp]);
  const records = [
    ...[0x05, 0x15, 0x25, 0x35].flatMap((what) =>
      [rtp, extended, rtcp].map((bytes) => [what, bytes] as const),
    ),
    ...[0, 1].flatMap((what) => [framed, stun].map((bytes) => [what, bytes] as const)),
    ...[2, 3, 4, 12].flatMap((what) => [rtp, rtcp].map((bytes) => [what, bytes] as const)),
    [0xf6, Buffer.alloc(0)] as const,
    [7, Buffer.alloc(0)] as const,
  ];
  const body = records.map(([what, bytes]) => Buffer.concat([Buffer.from([what, 0, bytes.length]), bytes]));
  for (let suite = 0; suite < 4; suite++) {
    writeFileSync(
      path.join(folder, `suite-${suite}`),
      Buffer.concat([Buffer.from([suite]), ...body, ...body]),
    );
  }
}
