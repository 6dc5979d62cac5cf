// Our SRTP beside Debian's libsrtp2 on the same random traffic: every packet that one protects the other opens, and
// both protect to the same bytes. Loss, reordering, wraps of the sequence number, extensions and CSRCs included.
import { execFileSync, spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SrtpReceiver, SrtpSender, SUITES, type Suite } from '../../media/index.ts';

const COMPILER = '/usr/bin/gcc';
const present = existsSync('/usr/include/srtp2/srtp.h') && existsSync(COMPILER);
if (!present) process.stderr.write('SKIPPED srtp-libsrtp: needs gcc and libsrtp2-dev\n');

let folder: string;
let oracle: ChildProcessWithoutNullStreams;
let answers: AsyncIterator<string>;

/** One question to libsrtp: the bytes, or why not. */
async function ask(
  direction: string,
  protocol: string,
  suite: Suite,
  key: Buffer,
  packet: Buffer,
): Promise<Buffer | string> {
  oracle.stdin.write(
    `${direction} ${protocol} ${suite.name} ${key.toString('hex')} ${packet.toString('hex')}\n`,
  );
  const { value } = (await answers.next()) as { value: string };
  return value.startsWith('error') ? value : Buffer.from(value, 'hex');
}

/** A small generator with a fixed seed, so that a failure comes again. */
function numbers(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % limit;
  };
}

function rtp(sequence: number, ssrc: number, random: (limit: number) => number): Buffer {
  const csrcs = random(3);
  const words = random(3);
  const extended = random(2) === 1;
  const extension = extended ? Buffer.alloc(4 + words * 4, 0xbe) : Buffer.alloc(0);
  if (extended) extension.writeUInt16BE(words, 2);
  const head = Buffer.alloc(12 + csrcs * 4);
  head[0] = 0x80 | (extended ? 0x10 : 0) | csrcs;
  head[1] = random(64);
  head.writeUInt16BE(sequence & 0xffff, 2);
  head.writeUInt32BE(ssrc, 8);
  return Buffer.concat([head, extension, Buffer.alloc(random(1200), random(256))]);
}

function rtcp(ssrc: number, random: (limit: number) => number): Buffer {
  const packet = Buffer.alloc(8 + random(50) * 4, random(256));
  packet[0] = 0x80;
  packet[1] = 200 + random(7);
  packet.writeUInt16BE(packet.length / 4 - 1, 2);
  packet.writeUInt32BE(ssrc, 4);
  return packet;
}

describe.skipIf(!present)('beside libsrtp2', () => {
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'viaduct-libsrtp-'));
    const program = path.join(folder, 'srtp-oracle');
    const source = path.join(import.meta.dirname, 'libsrtp/srtp-oracle.c');
    execFileSync(COMPILER, ['-O1', '-Wall', '-o', program, source, '-lsrtp2']);
    oracle = spawn(program);
    answers = createInterface({ input: oracle.stdout })[Symbol.asyncIterator]();
  });
  afterAll(() => {
    oracle.kill();
    rmSync(folder, { recursive: true, force: true });
  });

  test.each(SUITES.map((suite) => [suite.name, suite] as const))('%s: 400 packets', async (_name, suite) => {
    const random = numbers(suite.keyBytes + suite.rtpTagBytes);
    const key = Buffer.from(Array.from({ length: suite.keyBytes + suite.saltBytes }, () => random(256)));
    const master = { key: key.subarray(0, suite.keyBytes), salt: key.subarray(suite.keyBytes) };
    const sender = new SrtpSender({ suite, master, maxSources: 4 });
    const receiver = new SrtpReceiver({ suite, master, maxSources: 4 });
    let sequence = 65_400;
    for (let count = 0; count < 400; count++) {
      sequence += 1 + (random(10) === 0 ? random(100) : 0);
      const ssrc = 1 + random(3);
      const control = random(5) === 0;
      const protocol = control ? 'rtcp' : 'rtp';
      const plain = control ? rtcp(ssrc, random) : rtp(sequence, ssrc, random);
      const ours = control ? sender.protectRtcp(plain, 0) : sender.protectRtp(plain, 0);
      const theirs = await ask('protect', protocol, suite, key, plain);
      // libsrtp counts SRTCP from 1, we from 0 (RFC 3711 §3.2.1): the sealed bytes differ, what is in them does not.
      if (!control) expect(ours).toEqual(theirs);
      expect(await ask('unprotect', protocol, suite, key, ours as Buffer)).toEqual(plain);
      const opened = control
        ? receiver.unprotectRtcp(theirs as Buffer)
        : receiver.unprotectRtp(theirs as Buffer);
      expect(opened).toMatchObject({ packet: plain });
      const forged = Buffer.from(ours as Buffer);
      forged[random(forged.length)]! ^= 1 << random(8);
      expect(await ask('unprotect', protocol, suite, key, forged)).toMatch(/^error/);
    }
  });
});
