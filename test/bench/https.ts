// HTTPS through the pair, beside nginx → OpenSSH → nginx on the same machine in the same run, turn by turn:
//   ours:  wrk ──TLS──▶ edge ──SSH──▶ core ──▶ nginx        peer:  wrk ──TLS──▶ nginx ──▶ sshd ──SSH──▶ ssh ──▶ nginx
// Arguments: rounds (3) and seconds per measurement (3). Targets: requests/s ≥ 3, p99 ≤ 1/4, 1 GiB ≥ 0.9.
import { existsSync } from 'node:fs';
import { nativeBindingLoaded } from '../../zones/index.ts';
import { measureLarge, measureSmall, memoryMiB, type SmallResult } from './https-measure.ts';
import { LARGE_BYTES, NEEDED } from './https-peers.ts';
import { openStage, type Way } from './https-stage.ts';

const CONNECTIONS = 50;
/** Time for JIT compilers to see the path before anything is measured. */
const WARM_SECONDS = 4;
interface Side extends Way {
  readonly small: SmallResult[];
  readonly largeMBps: number[];
}

export async function run(args: readonly string[]): Promise<void> {
  const missing = Object.entries(NEEDED).filter(([program]) => !existsSync(program));
  if (missing.length > 0) {
    console.log(`https: skipped, missing programs; install ${missing.map(([, name]) => name).join(' ')}`);
    return;
  }
  const [rounds = 3, seconds = 3] = args.map(Number);
  const stage = await openStage([]);
  try {
    console.log(`ssh2 native binding: ${nativeBindingLoaded() ? 'loaded' : 'NOT loaded'}`);
    const [ours, peer] = [side(stage.ours), side(stage.peer)];
    await measure([ours, peer], rounds, seconds);
    report(ours, peer);
  } finally {
    await stage.close();
  }
}

function side(way: Way): Side {
  return { ...way, small: [], largeMBps: [] };
}

async function measure(sides: readonly Side[], rounds: number, seconds: number): Promise<void> {
  for (const way of sides) {
    await measureSmall(way, CONNECTIONS, WARM_SECONDS);
    await measureLarge(way, LARGE_BYTES);
  }
  for (let round = 0; round < rounds; round++) {
    for (const way of sides) {
      way.small.push(await measureSmall(way, CONNECTIONS, seconds));
      way.largeMBps.push(await measureLarge(way, LARGE_BYTES));
    }
  }
}

function report(ours: Side, peer: Side): void {
  console.log(
    `${CONNECTIONS} connections, TLS, 1 KiB; then 1 GiB. Median (min-max) of ${ours.small.length} turns.`,
  );
  console.table([ours, peer].map(row));
  for (const pid of ours.pids) console.log(`memory of process ${pid}: ${JSON.stringify(memoryMiB(pid))} MiB`);
  const of = (way: Side, pick: (result: SmallResult) => number): number => median(way.small.map(pick));
  const ratio = (pick: (result: SmallResult) => number): number => round(of(ours, pick) / of(peer, pick));
  const ratios = {
    'requests/s': ratio((result) => result.requestsPerSecond),
    p99: ratio((result) => result.p99Ms),
    '1 GiB': round(median(ours.largeMBps) / median(peer.largeMBps)),
    'requests/s per core': ratio((result) => result.requestsPerSecond / result.cores),
  };
  console.log(JSON.stringify({ bench: 'https', ratios: { 'vs nginx+openssh': ratios } }));
}

function row(way: Side): object {
  const spread = (values: readonly number[]): string =>
    `${round(median(values))} (${round(Math.min(...values))}-${round(Math.max(...values))})`;
  return {
    what: way.name,
    'requests/s': spread(way.small.map((result) => result.requestsPerSecond)),
    'p50 ms': spread(way.small.map((result) => result.p50Ms)),
    'p99 ms': spread(way.small.map((result) => result.p99Ms)),
    'cores used': spread(way.small.map((result) => result.cores)),
    errors: way.small.reduce((sum, result) => sum + result.errors, 0),
    '1 GiB MB/s': spread(way.largeMBps),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
