// Calls under a flood of packets that nobody has authenticated, on edge's client ports and link ports: what the calls
// lose and how long they wait, and what the process holds meanwhile. Used by the benchmark and, for seconds, by a test.
import { execFileSync, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { FloodHoldings, FloodOrder, FloodReady } from './flood-process.ts';
import { compileTools, LoadGenerator, pinned, type LoadResult } from './media-load.ts';

export interface FloodOptions {
  readonly engine: FloodOrder['engine'];
  readonly calls: number;
  readonly seconds: number;
}

/** Calls before, during and after; what was held at each second of the flood. */
export interface FloodResult {
  readonly kind: FloodReady['kind'];
  readonly before: LoadResult;
  readonly during: readonly LoadResult[];
  readonly after: LoadResult;
  readonly floodPackets: number;
  readonly held: readonly FloodHoldings[];
}

const SUITE = 'AES_CM_128_HMAC_SHA1_80';
const SINK = { address: '127.0.0.1', port: 19_997 };
const PHONES = { address: '127.0.0.6', port: 20_000 };
const FLOODER = '127.0.0.7';
const PACKET_BYTES = 172;
const PACKETS_PER_SECOND = 50;
const SLICE_MS = 1000;

/** Runs the whole; takes `seconds` and some 5 more. */
export async function flood({ engine, calls, seconds }: FloodOptions): Promise<FloodResult> {
  const folder = mkdtempSync(path.join(tmpdir(), 'viaduct-flood-'));
  const master = Buffer.alloc(30, 0x5a);
  let load: LoadGenerator | undefined;
  let child: ChildProcess | undefined;
  try {
    compileTools(folder);
    const source = path.join(import.meta.dirname, 'native/udp-flood.c');
    execFileSync('/usr/bin/gcc', ['-O2', '-o', path.join(folder, 'udp-flood'), source]);
    const crypto = `1 ${SUITE} inline:${master.toString('base64')}`;
    const order: FloodOrder = { engine, calls, crypto, sink: SINK };
    const [execPath, execArgv] = pinned(0, [process.execPath, '--expose-gc']);
    child = fork(path.join(import.meta.dirname, 'flood-process.ts'), [JSON.stringify(order)], {
      execPath,
      execArgv,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const [ready] = (await once(child, 'message')) as [FloodReady];
    load = new LoadGenerator(folder, generatorLines(ready, master));
    const slice = (): Promise<LoadResult> => load!.run(calls * PACKETS_PER_SECOND, SLICE_MS);
    await slice(); // sources are proven
    const before = await slice();
    const flooder = startFlood(folder, ready, seconds * 1000);
    const [during, held]: [LoadResult[], FloodHoldings[]] = [[], []];
    for (const end = performance.now() + seconds * 1000; performance.now() + SLICE_MS / 2 < end;) {
      during.push(await slice());
      held.push(await holdings(child));
    }
    const floodPackets = await flooder;
    return { kind: ready.kind, before, during, after: await slice(), floodPackets, held };
  } finally {
    await load?.close();
    child?.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  }
}

function generatorLines(ready: FloodReady, master: Buffer): string[] {
  return [
    `sink ${SINK.address} ${SINK.port} ${PACKET_BYTES} 0`,
    `sources ${PHONES.address} ${PHONES.port} ${ready.targets.length}`,
    ...ready.targets.map(({ address, port }, index) => `target ${index} ${address} ${port} 0`),
    `payload ${PACKET_BYTES - 12}`,
    `seal ${SUITE} ${master.toString('hex')}`,
  ];
}

/** Resolves how many packets were sent once it is over. */
async function startFlood(folder: string, ready: FloodReady, ms: number): Promise<number> {
  const ports = [
    ...ready.targets.flatMap(({ port }) => [port, port + 1]),
    ...Array.from({ length: ready.targets.length }).flatMap(() => ready.linkPorts),
  ];
  const host = ready.targets[0]!.address;
  const command = [path.join(folder, 'udp-flood'), String(ms), FLOODER, host, ...ports.map(String)];
  const [program, args] = pinned(1, command);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()));
  await once(child, 'exit');
  return Number(text);
}

async function holdings(child: ChildProcess): Promise<FloodHoldings> {
  const answered = once(child, 'message');
  child.send('held');
  const [held] = (await answered) as [FloodHoldings];
  return held;
}
