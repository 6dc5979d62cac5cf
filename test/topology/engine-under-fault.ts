// A process with one packet engine in a namespace, told what to do by messages: two calls on two shards from a peer and
// back to it, one marked EF, one AF41. Started by media-faults.test.ts.
import { openEngine, type EngineEvent, type FlowCounters } from '../../media/index.ts';

export interface FaultOrder {
  readonly engine: 'native' | 'portable';
  readonly address: string;
  /** Where the two calls' packets come from and go to. */
  readonly peer: string;
  readonly ports: readonly [number, number];
}

/** What the process says: its ports first, then events, and counters when it is asked. */
export type FaultReport =
  | { readonly ports: readonly number[] }
  | { readonly event: EngineEvent }
  | { readonly counters: readonly FlowCounters[] };

const LIMITS = {
  maxPorts: 8,
  maxFlows: 8,
  maxLinks: 2,
  maxSourcesPerKey: 4,
  stunPerSecond: 2,
  trunkBufferBytes: 1 << 18,
  maxCaptureBytes: 1000,
};
const MARKS = [46, 34];

async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? '') as FaultOrder;
  const say = (report: FaultReport): void => void process.send?.(report);
  const { engine } = openEngine(LIMITS, 100, (event) => say({ event }), order.engine, 2);
  const flows: number[] = [];
  const ports: number[] = [];
  for (const [shard, port] of order.ports.entries()) {
    const opened = await engine.openPort({ bind: { address: order.address, port: 0 }, use: 'media', shard });
    const remote = { address: order.peer, port };
    const input = {
      kind: 'port',
      port: opened.id,
      accept: { kind: 'address', address: order.peer },
    } as const;
    const rtp = { kind: 'port', port: opened.id, remote, dscp: MARKS[shard]! } as const;
    flows.push(engine.addFlow({ input, content: 'rtp', unprotect: [], rtp, rtcp: rtp, idleAfterMs: 0 }));
    ports.push(opened.bound.port);
  }
  process.on('message', () => say({ counters: flows.map((flow) => engine.counters(flow)) }));
  process.on('disconnect', () => process.exit(0));
  say({ ports });
}

if (process.argv[1] === import.meta.filename) await main();
