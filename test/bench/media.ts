// The media engine's packet path: thousand packets per second and core of the process under test, 100 flows on
// loopback, by its CPU time, so that the generator and other work on the machine do not count.
// Arguments: rounds (3), seconds per measurement (2), thousand packets per second offered (30).
import { fork, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { findSuite, SrtpSender, SUITES } from '../../media/index.ts';
import {
  BENCH_KEY_BYTE,
  type EngineOrder,
  type EngineReady,
  type EngineReport,
} from './media-engine-process.ts';

const FLOWS = 100;
const PAYLOAD_BYTES = 160;
const WARM_MS = 500;

type Shape = Pick<EngineOrder, 'shape' | 'suite'>;
const SHAPES: readonly Shape[] = [
  { shape: 'port to port' },
  { shape: 'port to link' },
  ...SUITES.slice(0, 3).flatMap(({ name: suite }): Shape[] => [
    { shape: 'unprotect from link', suite },
    { shape: 'protect to link', suite },
  ]),
];
const nameOf = ({ shape, suite }: Shape): string => (suite === undefined ? shape : `${shape}, ${suite}`);

interface Sample {
  readonly kppsPerCore: number;
  /** Share of packets sent that came out. */
  readonly delivered: number;
}

/** Runs the benchmark: rounds in turn over all shapes. */
export async function run(args: readonly string[]): Promise<void> {
  const [rounds = 3, seconds = 2, offered = 30] = args.map(Number);
  const samples = new Map<string, Sample[]>();
  for (let round = 0; round < rounds; round++) {
    for (const shape of SHAPES) {
      const sample = await measure(shape, seconds * 1000, offered * 1000);
      samples.set(nameOf(shape), [...(samples.get(nameOf(shape)) ?? []), sample]);
    }
  }
  report(samples);
}

async function measure(shape: Shape, durationMs: number, perSecond: number): Promise<Sample> {
  const sockets = await Promise.all(Array.from({ length: FLOWS }, bound));
  const fromLink = shape.shape === 'unprotect from link';
  const addresses = sockets.map((socket) => ({ address: '127.0.0.1', port: socket.address().port }));
  const sink = await bound();
  const sources = fromLink ? addresses.map(() => addresses[0]!) : addresses;
  const order: EngineOrder = { ...shape, sources, sink: { address: '127.0.0.1', port: sink.address().port } };
  const child = fork(path.join(import.meta.dirname, 'media-engine-process.ts'), [JSON.stringify(order)]);
  try {
    const [ready] = (await once(child, 'message')) as [EngineReady];
    const send = generator(shape, fromLink ? sockets.map(() => sockets[0]!) : sockets, ready.targets);
    await paced(send, WARM_MS, perSecond);
    await ask(child);
    const sent = await paced(send, durationMs, perSecond);
    await pause(50);
    const { packetsOut, cpuSeconds } = await ask(child);
    return { kppsPerCore: packetsOut / cpuSeconds / 1000, delivered: packetsOut / sent };
  } finally {
    child.disconnect();
    for (const socket of [...sockets, sink]) socket.close();
  }
}

async function ask(child: ChildProcess): Promise<EngineReport> {
  child.send('report');
  const [answer] = (await once(child, 'message')) as [EngineReport];
  return answer;
}

async function bound(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  socket.on('message', () => {});
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

/** Sends the next packet of each flow in turn; returns how many it has sent. */
function generator(
  { shape, suite }: Shape,
  sockets: readonly Socket[],
  targets: EngineReady['targets'],
): (count: number) => void {
  const seal = suite !== undefined && shape === 'unprotect from link' ? senderOf(suite) : undefined;
  let sequence = 0;
  let flow = 0;
  return (count) => {
    for (let sent = 0; sent < count; sent++) {
      const target = targets[flow]!;
      const packet = rtp(sequence, flow + 1);
      const bytes = seal === undefined ? packet : seal.protectRtp(packet, 4);
      if (typeof bytes === 'string') throw new Error(bytes);
      if (target.channel !== 0) bytes.writeUInt16BE(target.channel, 0);
      if (target.channel !== 0) bytes.writeUInt16BE(bytes.length - 4, 2);
      sockets[flow]!.send(bytes, target.port, target.address);
      flow = (flow + 1) % FLOWS;
      if (flow === 0) sequence = (sequence + 1) & 0xffff;
    }
  };
}

function senderOf(suite: NonNullable<Shape['suite']>): SrtpSender {
  const sizes = findSuite(suite)!;
  const fill = (bytes: number): Buffer => Buffer.alloc(bytes, BENCH_KEY_BYTE);
  const master = { key: fill(sizes.keyBytes), salt: fill(sizes.saltBytes) };
  return new SrtpSender({ suite: sizes, master, maxSources: FLOWS });
}

function rtp(sequence: number, ssrc: number): Buffer {
  const packet = Buffer.alloc(12 + PAYLOAD_BYTES);
  packet[0] = 0x80;
  packet.writeUInt16BE(sequence, 2);
  packet.writeUInt32BE(ssrc, 8);
  return packet;
}

/** Calls `send` each millisecond with what is due; resolves with the packets sent. */
async function paced(send: (count: number) => void, durationMs: number, perSecond: number): Promise<number> {
  const start = performance.now();
  let sent = 0;
  for (let elapsed = 0; elapsed < durationMs; elapsed = performance.now() - start) {
    const due = Math.floor((elapsed * perSecond) / 1000) - sent;
    send(due);
    sent += due;
    await pause(1);
  }
  return sent;
}

function report(samples: ReadonlyMap<string, readonly Sample[]>): void {
  const median = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  const results: Record<string, number> = {};
  console.log(`engine: portable, ${FLOWS} flows, ${PAYLOAD_BYTES + 12} bytes of RTP`);
  for (const [name, own] of samples) {
    const rates = own.map(({ kppsPerCore }) => kppsPerCore);
    const delivered = Math.min(...own.map((sample) => sample.delivered));
    results[name] = Math.round(median(rates) * 10) / 10;
    const range = `${Math.min(...rates).toFixed(1)}-${Math.max(...rates).toFixed(1)}`;
    console.log(
      `${name.padEnd(46)} ${median(rates).toFixed(1).padStart(7)} kpps/core (${range}), delivered ≥ ${(delivered * 100).toFixed(2)} %`,
    );
  }
  console.log(JSON.stringify({ bench: 'media', engine: 'portable', kppsPerCore: results }));
}
