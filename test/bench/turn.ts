// TURN over UDP through our server beside coturn's, turn by turn on the same machine: packets per second and core of the
// server at the rate where that is best, and allocation cycles per second and core. Arguments: rounds (3), milliseconds
// per trial (500), allocations (100), bytes of a packet (182). `turn flows` is turn-flows.ts.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compilerPresent, cpuSeconds } from './media-load.ts';
import { RELAY_ENGINES } from '../../turn/relay/test-engines.ts';
import { allocationCycles } from './turn-allocations.ts';
import { runFlows } from './turn-flows.ts';
import { TurnLoad, type TurnShape } from './turn-load.ts';
import { coturnPresent, startTurnParty, stopTurnParty, type TurnParty } from './turn-parties.ts';

const RATES = [25_000, 50_000, 75_000, 100_000, 150_000, 200_000, 300_000];
/** Less than this arrived: the server, or the machine, has no more to give. */
const OVERLOADED = 0.9;
const WARM_RATE = 25_000;
const WARM_CYCLES_MS = 4_000;
const SHAPES: readonly TurnShape[] = ['ChannelData out', 'Send out', 'ChannelData in', 'Data in'];
const ALLOCATIONS = 'allocation cycles';

/** Runs the benchmark. */
export async function run(args: readonly string[]): Promise<void> {
  if (!compilerPresent) return console.log('turn: skipped, gcc is missing');
  if (args[0] === 'flows') return runFlows(args.slice(1));
  const [rounds = 3, trialMs = 500, clients = 100, bytes = 182] = args.map(Number);
  const parties: TurnParty[] = coturnPresent ? ['viaduct', 'coturn'] : ['viaduct'];
  if (!coturnPresent) console.log('coturn is missing: left out');
  const folder = mkdtempSync(path.join(tmpdir(), 'viaduct-bench-turn-'));
  const samples = new Map<string, number[]>();
  const add = (work: string, party: TurnParty, value: number): void => {
    const key = `${work}|${party}`;
    samples.set(key, [...(samples.get(key) ?? []), value]);
  };
  try {
    TurnLoad.compile(folder);
    for (let round = 0; round < rounds; round++) {
      for (const shape of SHAPES) {
        for (const party of parties)
          add(shape, party, await bestRate(party, shape, folder, { trialMs, clients, bytes }));
      }
      for (const party of parties) add(ALLOCATIONS, party, await cyclesPerCore(party, folder, trialMs * 4));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  report(samples, `${clients} allocations, packets of ${bytes} bytes`);
}

interface Work {
  readonly trialMs: number;
  readonly clients: number;
  readonly bytes: number;
}

/** Thousand packets per second of CPU time of the server, at the rate where that is most. */
async function bestRate(party: TurnParty, shape: TurnShape, folder: string, work: Work): Promise<number> {
  const server = await startTurnParty(party, folder);
  const load = await TurnLoad.open(folder, shape, work.clients, Buffer.alloc(work.bytes, 0x5a));
  let best = 0;
  try {
    await load.run(shape, WARM_RATE, 1_000);
    for (const rate of RATES) {
      const before = cpuSeconds(server.pid!);
      const { sent, received } = await load.run(shape, rate, work.trialMs);
      const perCore = received / (cpuSeconds(server.pid!) - before) / 1000;
      best = Math.max(best, perCore);
      if (received < sent * OVERLOADED) break;
    }
    return best;
  } finally {
    await load.close();
    await stopTurnParty(server);
  }
}

async function cyclesPerCore(party: TurnParty, folder: string, ms: number): Promise<number> {
  const server = await startTurnParty(party, folder);
  try {
    // Servers run for weeks: ours is measured once its code is compiled.
    await allocationCycles(WARM_CYCLES_MS);
    const before = cpuSeconds(server.pid!);
    const done = await allocationCycles(ms);
    return done / (cpuSeconds(server.pid!) - before) / 1000;
  } finally {
    await stopTurnParty(server);
  }
}

function report(samples: ReadonlyMap<string, readonly number[]>, work: string): void {
  console.log(`${work}; thousand per second and core of the server, median (min-max)`);
  const medians = new Map([...samples].map(([key, values]) => [key, median(values)]));
  const rows = [...SHAPES, ALLOCATIONS].map((shape) => {
    const cell = (party: TurnParty): string => {
      const values = samples.get(`${shape}|${party}`) ?? [];
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return values.length === 0 ? '' : `${median(values).toFixed(1)} (${low.toFixed(1)}-${high.toFixed(1)})`;
    };
    const ratio = (medians.get(`${shape}|viaduct`) ?? 0) / (medians.get(`${shape}|coturn`) ?? Number.NaN);
    return { shape, viaduct: cell('viaduct'), coturn: cell('coturn'), ratio: Number(ratio.toFixed(2)) };
  });
  console.table(rows);
  const ratios = Object.fromEntries(rows.map(({ shape, ratio }) => [shape, ratio]));
  console.log(
    JSON.stringify({ bench: 'turn', engine: RELAY_ENGINES.at(-1), ratios: { 'vs coturn': ratios } }),
  );
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}
