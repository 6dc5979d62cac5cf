// Who carries the calls in the media benchmark: our engines, Debian's rtpengine, a bare relay in C. Each is a process
// on processor 0, takes packets of FLOWS calls from the same addresses and sends them to the same sink.
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import type { TransportAddress } from '../../turn/index.ts';
import {
  BENCH_KEY_BYTE,
  type BenchSuite,
  type EngineOrder,
  type EngineReady,
  type EngineTask,
  type Shape,
} from './media-engine-process.ts';
import { LoadGenerator, pinned } from './media-load.ts';
import { Rtpengine } from './media-rtpengine.ts';

export const SOURCE_HOST = '127.0.0.2';
const FIRST_SOURCE = 20_000;
const SINK: TransportAddress = { address: '127.0.0.1', port: 19_999 };
const FIRST_RELAY = 30_000;
/** Packets that come by a link come in trains, as the other end sends them. */
const TRAIN = 16;

export type PartyName = 'native' | 'portable' | 'rtpengine' | 'c relay';

/** What the calls of a run look like. */
export interface Work {
  readonly shape: Shape;
  readonly flows: number;
  /** RTP with its header. */
  readonly packetBytes: number;
  readonly suite: BenchSuite;
}

/** A party set up for some work, and the generator that knows where to send. */
export interface Party {
  readonly name: PartyName;
  readonly pid: number;
  readonly load: LoadGenerator;
  block(on: boolean): void;
  close(): Promise<void>;
}

const MASTER_BYTES = { AES_CM_128_HMAC_SHA1_80: 30, AEAD_AES_128_GCM: 28 } as const;
const TAG_BYTES = { AES_CM_128_HMAC_SHA1_80: 10, AEAD_AES_128_GCM: 16 } as const;
const masterOf = (suite: BenchSuite): Buffer => Buffer.alloc(MASTER_BYTES[suite], BENCH_KEY_BYTE);

const comesByLink = ({ shape }: Work): boolean => shape.startsWith('link') || shape === 'SRTP to RTP';
const goesByLink = ({ shape }: Work): boolean => shape.endsWith('link') || shape === 'RTP to SRTP';

/** Sets a party up. */
export async function openParty(name: PartyName, work: Work, folder: string): Promise<Party> {
  if (name === 'rtpengine') return openRtpengine(work, folder);
  if (name === 'c relay') return openRelay(work, folder);
  return openEngineParty(name, work, folder);
}

async function openEngineParty(engine: 'native' | 'portable', work: Work, folder: string): Promise<Party> {
  const shared = comesByLink(work);
  const sources = sourcesOf(work.flows, shared);
  const order: EngineOrder = { engine, shape: work.shape, suite: work.suite, sources, sink: SINK };
  const [execPath, execArgv] = pinned(0, [process.execPath]);
  const child = fork(path.join(import.meta.dirname, 'media-engine-process.ts'), [JSON.stringify(order)], {
    execPath,
    execArgv,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [ready] = (await once(child, 'message')) as [EngineReady];
  if (ready.kind !== engine) throw new Error(`asked for the ${engine} engine, got the ${ready.kind} one`);
  const lines = generatorLines(work, shared, true, ready.targets);
  return {
    name: engine,
    pid: child.pid ?? 0,
    load: new LoadGenerator(folder, lines),
    block: (on) => void child.send((on ? 'block' : 'unblock') satisfies EngineTask),
    close: () => ended(child),
  };
}

/** The relay knows no channels: with many ports they come together on one socket, with one it is one to one. */
async function openRelay(work: Work, folder: string): Promise<Party> {
  const shared = comesByLink(work);
  const ports = shared ? 1 : work.flows;
  const command = [path.join(folder, 'udp-relay'), String(FIRST_RELAY), String(ports), String(SINK.port)];
  const [program, args] = pinned(0, command);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const targets = Array.from({ length: work.flows }, (_, index) => ({
    address: '127.0.0.1',
    port: shared ? FIRST_RELAY : FIRST_RELAY + index,
    channel: shared ? 0x4000 + index : 0,
  }));
  const relayed: Work = { ...work, shape: shared ? 'link to link' : 'client to link' };
  const load = new LoadGenerator(folder, generatorLines(relayed, shared, shared, targets));
  return { name: 'c relay', pid: child.pid ?? 0, load, block: () => {}, close: () => ended(child) };
}

/** rtpengine has no link: its calls come and go as the clients' and the far devices' own packets. */
async function openRtpengine(work: Work, folder: string): Promise<Party> {
  const rtpengine = new Rtpengine();
  await rtpengine.ready();
  const sources = sourcesOf(work.flows, false);
  const targets = [];
  for (const [index, source] of sources.entries()) {
    const key = masterOf(work.suite).toString('base64');
    const target = await rtpengine.call(index, source, SINK, {
      ...(work.shape === 'SRTP to RTP' && { source: work.suite }),
      ...(work.shape === 'RTP to SRTP' && { sink: work.suite }),
      key,
    });
    targets.push({ ...target, channel: 0 });
  }
  const load = new LoadGenerator(folder, generatorLines(work, false, false, targets));
  return {
    name: 'rtpengine',
    pid: rtpengine.pid,
    load,
    block: () => {},
    close: () => rtpengine.close(),
  };
}

function sourcesOf(flows: number, shared: boolean): TransportAddress[] {
  return Array.from({ length: flows }, (_, index) => ({
    address: SOURCE_HOST,
    port: shared ? FIRST_SOURCE : FIRST_SOURCE + index,
  }));
}

function generatorLines(
  work: Work,
  shared: boolean,
  channels: boolean,
  targets: EngineReady['targets'],
): string[] {
  const header = channels && goesByLink(work) ? 4 : 0;
  const growth = work.shape === 'RTP to SRTP' ? TAG_BYTES[work.suite] : 0;
  return [
    `sink ${SINK.address} ${SINK.port} ${work.packetBytes + header + growth} ${header}`,
    `${shared ? 'source' : 'sources'} ${SOURCE_HOST} ${FIRST_SOURCE} ${work.flows}`,
    ...targets.map(({ address, port, channel }, index) => `target ${index} ${address} ${port} ${channel}`),
    `payload ${work.packetBytes - 12}`,
    ...(shared ? [`train ${TRAIN}`] : []),
    ...(work.shape === 'SRTP to RTP' ? [`seal ${work.suite} ${masterOf(work.suite).toString('hex')}`] : []),
  ];
}

async function ended(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}
