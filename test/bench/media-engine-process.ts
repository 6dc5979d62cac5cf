// The process under test of the media benchmark: one engine, flows of one shape, counters and CPU time on request.
// Started by media.ts with an IPC channel; the key is the benchmark's own and worth nothing.
import { findSuite, openEngine, type FlowSpec, type MediaEngine, type SuiteName } from '../../media/index.ts';
import type { TransportAddress } from '../../turn/index.ts';

/** What a shape of the benchmark asks for. */
export interface EngineOrder {
  readonly shape: 'port to port' | 'port to link' | 'unprotect from link' | 'protect to link';
  readonly suite?: SuiteName;
  /** Where each flow's packets come from, and where all go. */
  readonly sources: readonly TransportAddress[];
  readonly sink: TransportAddress;
}

export interface EngineReady {
  /** Where to send each flow's packets, and the channel to put before them (0: none). */
  readonly targets: readonly (TransportAddress & { readonly channel: number })[];
}

export interface EngineReport {
  readonly packetsOut: number;
  readonly cpuSeconds: number;
}

export const BENCH_KEY_BYTE = 0x5a;
const LOCAL = { address: '127.0.0.1', port: 0 };

async function build(
  engine: MediaEngine,
  order: EngineOrder,
): Promise<{ ready: EngineReady; flows: number[] }> {
  const trunk = await engine.openPort({ bind: LOCAL, use: 'trunk' });
  const fromLink = order.shape === 'unprotect from link';
  const link = engine.addLink(trunk.id, fromLink ? order.sources[0] : order.sink);
  const crypto = cryptoOf(engine, order);
  const flows: number[] = [];
  const targets = [];
  for (const [index, source] of order.sources.entries()) {
    const port = await engine.openPort({ bind: LOCAL, use: 'media' });
    const channel = 0x4000 + index;
    const input: FlowSpec['input'] = fromLink
      ? { kind: 'channel', link, channel, tokened: false }
      : { kind: 'port', port: port.id, accept: { kind: 'exact', source } };
    const toPort = { kind: 'port', port: port.id, remote: order.sink } as const;
    const output =
      fromLink || order.shape === 'port to port' ? toPort : ({ kind: 'channel', link, channel } as const);
    flows.push(
      engine.addFlow({
        input,
        content: 'rtp',
        unprotect: fromLink && crypto !== undefined ? [crypto] : [],
        protect: fromLink ? undefined : crypto,
        rtp: output,
        rtcp: output,
        idleAfterMs: 60_000,
      }),
    );
    targets.push(fromLink ? { ...trunk.bound, channel } : { ...port.bound, channel: 0 });
  }
  return { ready: { targets }, flows };
}

function cryptoOf(engine: MediaEngine, { suite, shape }: EngineOrder): number | undefined {
  if (suite === undefined) return undefined;
  const { keyBytes, saltBytes } = findSuite(suite)!;
  const master = {
    key: Buffer.alloc(keyBytes, BENCH_KEY_BYTE),
    salt: Buffer.alloc(saltBytes, BENCH_KEY_BYTE),
  };
  const direction = shape === 'unprotect from link' ? 'unprotect' : 'protect';
  return engine.addCrypto({ direction, suite, master });
}

async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? '') as EngineOrder;
  const limits = {
    maxPorts: 1000,
    maxFlows: 1000,
    maxLinks: 1,
    maxSourcesPerKey: 1000,
    stunPerSecond: 1,
    trunkBufferBytes: 4 << 20,
  };
  const engine = openEngine(limits, 1000, () => {});
  const { ready, flows } = await build(engine, order);
  let since = process.cpuUsage();
  let counted = 0;
  process.on('message', () => {
    const packetsOut = flows.reduce((sum, flow) => sum + engine.counters(flow).packetsOut, 0);
    const { user, system } = process.cpuUsage(since);
    since = process.cpuUsage();
    process.send!({
      packetsOut: packetsOut - counted,
      cpuSeconds: (user + system) / 1e6,
    } satisfies EngineReport);
    counted = packetsOut;
  });
  process.on('disconnect', () => process.exit(0));
  process.send!(ready);
}

if (process.argv[1] === import.meta.filename) await main();
