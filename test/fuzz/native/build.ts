// Compiles the sanitized programs of this folder from the sources of our add-ons with Debian's clang, and says what is
// missing where they cannot be.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const COMPILER = '/usr/bin/clang++';
const ROOT = path.resolve(import.meta.dirname, '../../..');
/** Folder of the add-on that a program is about. */
const ADD_ON = {
  'packet-path': 'media/native',
  soak: 'media/native',
  'turn-path': 'turn/relay/native',
  'turn-soak': 'turn/relay/native',
  'dtls-path': 'turn/native',
} as const;
type Program = keyof typeof ADD_ON;
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

/** What the add-on is built from, by its own list. */
function sourcesOf(addOn: string): string[] {
  const folder = path.join(ROOT, addOn);
  const { targets } = JSON.parse(readFileSync(path.join(folder, 'binding.gyp'), 'utf8')) as {
    targets: { sources: string[] }[];
  };
  const sources = targets.flatMap((target) => target.sources);
  return sources
    .filter((file) => !NODE_ONLY.has(path.basename(file)))
    .map((file) => path.resolve(folder, file));
}

/** Builds `name`.cc of this folder with its add-on's sources under these sanitizers; returns the program. */
export function buildProgram(folder: string, name: Program, sanitizers: string): string {
  const program = path.join(folder, `${name}-${sanitizers.replaceAll(',', '-')}`);
  execFileSync(
    COMPILER,
    [
      '-std=gnu++20',
      '-g',
      '-O1',
      '-DOPENSSL_SUPPRESS_DEPRECATED',
      `-I${path.join(ROOT, 'media/native/src')}`,
      `-I${path.join(ROOT, ADD_ON[name], 'src')}`,
      `-fsanitize=${sanitizers}`,
      ...(sanitizers.includes('undefined') ? ['-fno-sanitize-recover=all'] : []),
      '-o',
      program,
      ...sourcesOf(ADD_ON[name]),
      path.join(import.meta.dirname, `${name}.cc`),
      '-lssl',
      '-lcrypto',
      '-pthread',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  return program;
}

/** Inputs of the DTLS server to begin with: a handshake as it should be, one with every kind of damage. */
export function writeDtlsSeeds(folder: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'plain'), Buffer.alloc(64));
  const damage = [1, 2, 4, 0x40, 0x80, 0x41, 0x81].flatMap((what) => [0, 0, 0, 0, what, 30, what, 3]);
  writeFileSync(path.join(folder, 'damaged'), Buffer.from(damage));
  writeFileSync(
    path.join(folder, 'own'),
    Buffer.from([3, 20, ...Buffer.alloc(20, 22), 0, 0, 3, 5, 1, 2, 3, 4, 5]),
  );
}

/** Inputs of the TURN relay to begin with: each kind of record, a Send with every attribute that is known. */
export function writeTurnSeeds(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const payload = Buffer.from('hello!!!');
  const attribute = (type: number, value: Buffer): Buffer => {
    const head = Buffer.alloc(4);
    head.writeUInt16BE(type);
    head.writeUInt16BE(value.length, 2);
    return Buffer.concat([head, value, Buffer.alloc(-value.length & 3)]);
  };
  // 192.0.2.1:9 and 203.0.113.1:24000, XORed with the cookie
  const peers = ['0001211be112a643', '00017cd2ea12d543'].map((hex) => Buffer.from(hex, 'hex'));
  const sends = peers.map((peer) =>
    Buffer.concat([attribute(0x12, peer), attribute(0x1a, Buffer.alloc(0)), attribute(0x13, payload)]),
  );
  const channel = Buffer.concat([Buffer.from('40000008', 'hex'), payload]);
  const request = Buffer.from('000300002112a442000000000000000000000000', 'hex');
  const records = [
    ...[0x00, 0x10, 0x01].flatMap((what) => [channel, request].map((bytes) => [what, bytes] as const)),
    ...[0x02, 0x13].flatMap((what) => sends.map((bytes) => [what, bytes] as const)),
    ...[0x04, 0x0c, 0x14, 0x24, 0x2c, 0x15, 0x25].map((what) => [what, payload] as const),
    [0x16, Buffer.alloc(0)] as const,
    [0x07, Buffer.alloc(0)] as const,
  ];
  const body = records.map(([what, bytes]) => Buffer.concat([Buffer.from([what, 0, bytes.length]), bytes]));
  writeFileSync(path.join(folder, 'turn'), Buffer.concat([...body, ...body]));
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
