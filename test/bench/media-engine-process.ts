// The process under test of the media benchmark: one engine with the flows of one shape, and on request a JavaScript
// thread that is blocked 50 ms at a time. Started by media-parties.ts with an IPC channel; the key is the
// benchmark's own and worth nothing.
import {
  findSuite,
  openEngine,
  type FlowOutput,
  type FlowSpec,
  type MediaEngine,
} from '../../media/index.ts';
import type { TransportAddress } from '../../turn/index.ts';

/** What a call's packets go through; each shape is one direction. */
export type Shape = 'client to link' | 'link to client' | 'link to link' | 'SRTP to RTP' | 'RTP to SRTP';
export type BenchSuite = 'AES_CM_128_HMAC_SHA1_80' | 'AEAD_AES_128_GCM';

export interface EngineOrder {
  readonly engine: 'native' | 'portable';
  readonly shape: Shape;
  readonly suite: BenchSuite;
  /** Where each flow's packets come from: the same address for all when they come by a link. */
  readonly sources: readonly TransportAddress[];
  readonly sink: TransportAddress;
}

export interface EngineReady {
  readonly kind: MediaEngine['kind'];
  /** Where to send each flow's packets, and the channel to put before them (0: none). */
  readonly targets: readonly (TransportAddress & { readonly channel: number })[];
}

/** Message to the process: block the JavaScript thread, 50 ms of every 60, or stop doing so. */
export type EngineTask = 'block' | 'unblock';

export const BENCH_KEY_BYTE = 0x5a;
const LOCAL = { address: '127.0.0.1', port: 0 };
const BLOCK_MS = 50;
const BREATH_MS = 10;

async function build(engine: MediaEngine, order: EngineOrder): Promise<EngineReady> {
  const { shape, sources, sink } = order;
  const fromLink = shape === 'link to client' || shape === 'link to link' || shape === 'SRTP to RTP';
  const toLink = shape !== 'link to client' && shape !== 'SRTP to RTP';
  const inbound = await engine.openPort({ bind: LOCAL, use: 'trunk' });
  const outbound = await engine.openPort({ bind: LOCAL, use: 'trunk' });
  const inLink = engine.addLink(inbound.id, sources[0]);
  const outLink = engine.addLink(outbound.id, sink);
  const crypto = keyOf(engine, order);
  const targets = [];
  for (const [index, source] of sources.entries()) {
    const port = await engine.openPort({ bind: LOCAL, use: 'media' });
    const channel = 0x4000 + index;
    const input: FlowSpec['input'] = fromLink
      ? { kind: 'channel', link: inLink, channel, tokened: false }
      : { kind: 'port', port: port.id, accept: { kind: 'exact', source } };
    const output: FlowOutput = toLink
      ? { kind: 'channel', link: outLink, channel }
      : { kind: 'port', port: port.id, remote: sink };
    engine.addFlow({ input, ...crypto(), content: 'rtp', rtp: output, rtcp: output, idleAfterMs: 60_000 });
    targets.push(fromLink ? { ...inbound.bound, channel } : { ...port.bound, channel: 0 });
  }
  return { kind: engine.kind, targets };
}

/** A key of its own for each call, as in life. */
function keyOf(
  engine: MediaEngine,
  { shape, suite }: EngineOrder,
): () => Pick<FlowSpec, 'unprotect' | 'protect'> {
  const { keyBytes, saltBytes } = findSuite(suite)!;
  const fill = (bytes: number): Buffer => Buffer.alloc(bytes, BENCH_KEY_BYTE);
  const master = { key: fill(keyBytes), salt: fill(saltBytes) };
  const add = (direction: 'protect' | 'unprotect'): number => engine.addCrypto({ direction, suite, master });
  if (shape === 'SRTP to RTP') return () => ({ unprotect: [add('unprotect')] });
  if (shape === 'RTP to SRTP') return () => ({ unprotect: [], protect: add('protect') });
  return () => ({ unprotect: [] });
}

function blockFor(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? '') as EngineOrder;
  const limits = {
    maxPorts: 2000,
    maxFlows: 2000,
    maxLinks: 2,
    maxSourcesPerKey: 4,
    stunPerSecond: 2,
    trunkBufferBytes: 4 << 20,
    maxCaptureBytes: 1 << 20,
  };
  const { engine } = openEngine(limits, 1000, () => {}, order.engine);
  const ready = await build(engine, order);
  let timer: NodeJS.Timeout | undefined;
  process.on('message', (task: EngineTask) => {
    clearInterval(timer);
    if (task === 'block') timer = setInterval(() => blockFor(BLOCK_MS), BLOCK_MS + BREATH_MS);
  });
  process.on('disconnect', () => process.exit(0));
  process.send!(ready);
}

if (process.argv[1] === import.meta.filename) await main();
