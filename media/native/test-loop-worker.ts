// A worker thread with a native engine whose packets go round for ever: what is ended in the middle by the test.
import { parentPort } from 'node:worker_threads';
import { loadBinding } from './binding.ts';
import { createNativeEngine, type NativeEngine } from './native-engine.ts';

const LOCAL = { address: '127.0.0.1', port: 0 };
const PACKETS = 20;

/** Two ports that send to each other, with packets between them. */
export async function openLoop(): Promise<{ engine: NativeEngine; flow: number }> {
  const binding = loadBinding();
  if ('missing' in binding) throw new Error(binding.missing);
  const limits = {
    maxPorts: 4,
    maxFlows: 4,
    maxLinks: 1,
    maxSourcesPerKey: 1,
    stunPerSecond: 2,
    trunkBufferBytes: 65_536,
    maxCaptureBytes: 1 << 20,
  };
  const engine = createNativeEngine(binding, {
    every: () => () => {},
    onEvent: () => {},
    sweepMs: 1000,
    shards: 1,
    now: () => performance.now(),
    timeOfDay: () => Date.now(),
    limits,
  });
  const [there, back] = [
    await engine.openPort({ bind: LOCAL, use: 'media' }),
    await engine.openPort({ bind: LOCAL, use: 'media' }),
  ];
  const trunk = await engine.openPort({ bind: LOCAL, use: 'trunk' });
  const ways = [
    [there, back],
    [back, there],
  ] as const;
  const flows = ways.map(([from, to]) =>
    engine.addFlow({
      input: { kind: 'port', port: from.id, accept: { kind: 'address', address: LOCAL.address } },
      content: 'opaque',
      unprotect: [],
      rtp: { kind: 'port', port: from.id, remote: to.bound },
      idleAfterMs: 0,
    }),
  );
  for (let packet = 0; packet < PACKETS; packet++)
    engine.sendStun(trunk.id, Buffer.from('round'), there.bound);
  return { engine, flow: flows[0]! };
}

if (parentPort !== null) {
  const { engine, flow } = await openLoop();
  const timer = setInterval(() => {
    if (engine.counters(flow).packetsIn < 200) return;
    clearInterval(timer);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread's port has no origin
    parentPort?.postMessage('going round');
  }, 1);
}
