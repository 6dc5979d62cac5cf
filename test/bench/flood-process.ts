// The process under flood: edge's and core's media rooms with engines as the product opens them, calls set up between
// them, and on request what it holds. Started by flood-stage.ts with an IPC channel.
import { openEngine, type EngineEvent, type MediaEngine } from '../../media/index.ts';
import { EDGE, MediaPair } from '../media/media-pair.ts';
import { audioSdp, placeOf } from '../media/phones.ts';

export interface FloodOrder {
  readonly engine: 'native' | 'portable';
  readonly calls: number;
  /** Value of the phones' a=crypto lines. */
  readonly crypto: string;
  readonly sink: { readonly address: string; readonly port: number };
}

export interface FloodReady {
  readonly kind: MediaEngine['kind'];
  /** Where each phone sends its media. */
  readonly targets: readonly { readonly address: string; readonly port: number }[];
  readonly linkPorts: readonly number[];
}

/** Asked for by any message. */
export interface FloodHoldings {
  readonly heapBytes: number;
  readonly residentBytes: number;
  readonly counted: Readonly<Record<string, number>>;
}

/** More than one, so that links and calls of both rooms are on different ones. */
const THREADS = 2;

const LIMITS = {
  maxPorts: 5000,
  maxFlows: 10_000,
  maxLinks: 8,
  maxSourcesPerKey: 16,
  stunPerSecond: 200,
  trunkBufferBytes: 4 << 20,
  maxCaptureBytes: 1 << 20,
};

async function main(): Promise<void> {
  const order = JSON.parse(process.argv[2] ?? '') as FloodOrder;
  const counted = new Map<string, number>();
  let kind: MediaEngine['kind'] = 'portable';
  const real = {
    createEngine: (onEvent: (event: EngineEvent) => void) => {
      const { engine } = openEngine(LIMITS, 500, onEvent, order.engine, THREADS);
      kind = engine.kind;
      return engine;
    },
    now: () => performance.now(),
    after: (ms: number, action: () => void) => {
      const timer = setTimeout(action, ms);
      return () => clearTimeout(timer);
    },
    count: (event: string, reason = '') => {
      const name = `${event} ${reason}`.trim();
      counted.set(name, (counted.get(name) ?? 0) + 1);
    },
  };
  const pair = await MediaPair.open({ network: 71, core: real, edge: real });
  const targets = [];
  for (let index = 0; index < order.calls; index++) {
    const session = pair.core.open({ callId: `call-${index}`, key: `user-${index}` }, EDGE);
    await session.offer('client', audioSdp('192.168.1.5', 4000, 'RTP/SAVP', [`a=crypto:${order.crypto}`]));
    const { address, port } = order.sink;
    targets.push(placeOf(await session.answer('inside', audioSdp(address, port, 'RTP/AVP'))));
  }
  const linkPorts = pair.edge.linkAddresses().map(({ port }) => port);
  process.on('message', () => {
    globalThis.gc?.();
    const { heapUsed: heapBytes, rss: residentBytes } = process.memoryUsage();
    process.send?.({
      heapBytes,
      residentBytes,
      counted: Object.fromEntries(counted),
    } satisfies FloodHoldings);
  });
  process.on('disconnect', () => process.exit(0));
  process.send?.({ kind, targets, linkPorts } satisfies FloodReady);
}

if (process.argv[1] === import.meta.filename) await main();
