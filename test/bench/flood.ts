// `npm run bench -- flood [SECONDS] [CALLS]`: authenticated calls through edge and core while as many packets as one
// processor can send, none of them authenticated, hit edge's client and link ports. 60 s and 100 calls unless told
// otherwise; the test is 600. Prints what the calls lost, their delay, and what the process held.
import { flood, type FloodResult } from './flood-stage.ts';
import { compilerPresent, goFirst, libsrtpPresent } from './media-load.ts';

const MIB = 1 << 20;

/** Runs the benchmark. */
export async function run(args: readonly string[]): Promise<void> {
  if (!compilerPresent || !libsrtpPresent) return console.log('flood: skipped, needs gcc and libsrtp2-dev');
  const [seconds = 60, calls = 100] = args.map(Number);
  goFirst();
  const results: FloodResult[] = [];
  for (const engine of ['native', 'portable'] as const) results.push(await flood({ engine, calls, seconds }));
  console.table(results.flatMap((result) => rows(result)));
  for (const { kind, held } of results) console.log(kind, held.at(-1)?.counted);
  const summary = results.map((result) => ({
    engine: result.kind,
    floodKpps: Math.round(result.floodPackets / seconds / 1000),
    ...growth(result),
  }));
  console.log(JSON.stringify({ bench: 'flood', seconds, calls, results: summary }));
}

function rows({ kind, before, during, after }: FloodResult): object[] {
  const row = (when: string, slices: FloodResult['during']): object => {
    const sent = slices.reduce((sum, slice) => sum + slice.sent - slice.refused, 0);
    const received = slices.reduce((sum, slice) => sum + slice.received, 0);
    const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
    return {
      engine: kind,
      when,
      '% lost': Math.round((1 - received / sent) * 100_000) / 1000,
      'p50 µs': median(slices.map(({ p50Us }) => p50Us)),
      'p99 µs': median(slices.map(({ p99Us }) => p99Us)),
    };
  };
  return [row('before', [before]), row('flood', during), row('after', [after])];
}

/** Of the last tenth beside the second tenth: the first is where caches fill. */
function growth({ held }: FloodResult): { heapMib: number[]; residentMib: number[] } {
  const tenth = Math.max(1, Math.floor(held.length / 10));
  const ends = [held[tenth] ?? held[0]!, held.at(-1)!];
  const mib = (bytes: number): number => Math.round((bytes / MIB) * 10) / 10;
  return {
    heapMib: ends.map(({ heapBytes }) => mib(heapBytes)),
    residentMib: ends.map(({ residentBytes }) => mib(residentBytes)),
  };
}
