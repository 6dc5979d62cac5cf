// SIP through the pair, beside a Kamailio pair that does the same two TLS hops with record-routing, turn by turn:
//   ours:  phones ──TLS──▶ edge ──TLS──▶ core ──TCP──▶ Kamailio (registrar) ──▶ SIPp
//   peer:  phones ──TLS──▶ kamailio ──TLS──▶ kamailio ──TCP──▶ the same
// Arguments: rounds (3), seconds per measurement (3), phones (50), sides (both, ours, peer). Counted per core of CPU that
// the two proxies used. Targets: REGISTER and calls ≥ 0.4.
import { existsSync } from 'node:fs';
import { load, registerAll, type Work } from './sip-load.ts';
import { cpuSeconds, median, memoryMiB, spread } from './sip-measure.ts';
import type { Phone } from './sip-phone.ts';
import { openOurs, openPeer, type Proxies } from './sip-sides.ts';
import { NEEDED, openStage, startInside } from './sip-stage.ts';

const WORKS: readonly Work[] = ['register', 'call', 'call with media'];
/** Time for the JIT compiler to see the path before anything is measured. */
const WARM_MS = 4000;

interface Sample {
  readonly perSecond: number;
  readonly perCoreSecond: number;
  readonly cores: number;
}

interface Side {
  readonly name: 'viaduct' | 'kamailio';
  /** The proxies and what they have forked by now. */
  readonly pids: () => readonly number[];
  readonly phones: readonly Phone[];
  readonly samples: Map<Work, Sample[]>;
}

export async function run(args: readonly string[]): Promise<void> {
  const missing = Object.entries(NEEDED).filter(([program]) => !existsSync(program));
  if (missing.length > 0) {
    console.log(`sip: skipped, missing programs; install ${missing.map(([, name]) => name).join(' ')}`);
    return;
  }
  const [rounds = 3, seconds = 3, phones = 50] = args.slice(0, 3).map(Number);
  const which = args[3] ?? 'both';
  const stage = await openStage('sip');
  try {
    await startInside(stage);
    const sides: Side[] = [];
    if (which !== 'peer') sides.push(await openSide(await openOurs(stage, 20_000), phones));
    if (which !== 'ours') sides.push(await openSide(await openPeer(stage, 512), phones));
    await measure(sides, rounds, seconds * 1000);
    report(sides, phones);
    for (const phone of sides.flatMap((side) => side.phones)) phone.close();
  } finally {
    await stage.close();
  }
}

async function openSide(proxies: Proxies, count: number): Promise<Side> {
  const phones = await Promise.all(Array.from({ length: count }, (_, index) => proxies.phone(index)));
  const pids = (): number[] => Object.values(proxies.pids()).flat();
  return { name: proxies.name, pids, phones, samples: new Map() };
}

async function measure(sides: readonly Side[], rounds: number, durationMs: number): Promise<void> {
  for (const { phones } of sides) {
    await registerAll(phones);
    for (const work of WORKS) await load(phones, work, WARM_MS);
  }
  for (let round = 0; round < rounds; round++) {
    for (const work of WORKS) {
      for (const side of sides) {
        const sample = await measureOne(side, work, durationMs);
        side.samples.set(work, [...(side.samples.get(work) ?? []), sample]);
      }
    }
  }
}

async function measureOne(side: Side, work: Work, durationMs: number): Promise<Sample> {
  const pids = side.pids();
  const [cpuBefore, before] = [cpuSeconds(pids), performance.now()];
  const done = await load(side.phones, work, durationMs);
  const [cpu, seconds] = [cpuSeconds(pids) - cpuBefore, (performance.now() - before) / 1000];
  return { perSecond: done / seconds, perCoreSecond: done / cpu, cores: cpu / seconds };
}

function report(sides: readonly Side[], phones: number): void {
  const rounds = sides[0]?.samples.get('register')?.length ?? 0;
  console.log(
    `${phones} phones over TLS, none failed. Median (min-max) of ${rounds} turns; cores: both proxies.`,
  );
  console.table(sides.flatMap((side) => WORKS.map((work) => row(side, work))));
  const ours = sides.find(({ name }) => name === 'viaduct');
  for (const pid of ours?.pids() ?? [])
    console.log(`memory of process ${pid}: ${JSON.stringify(memoryMiB(pid))} MiB`);
  const ratio = (work: Work): number => {
    const [our, their] = ['viaduct', 'kamailio'].map((name) =>
      median(
        sides
          .find((side) => side.name === name)
          ?.samples.get(work)
          ?.map((one) => one.perCoreSecond) ?? [],
      ),
    );
    return Math.round(((our ?? Number.NaN) / (their ?? Number.NaN)) * 1000) / 1000;
  };
  const ratios = {
    register: ratio('register'),
    calls: ratio('call'),
    'calls, media anchored by ours only': ratio('call with media'),
  };
  console.log(JSON.stringify({ bench: 'sip', ratios: { 'vs kamailio': ratios } }));
}

function row({ name, samples }: Side, work: Work): object {
  const of = (pick: (sample: Sample) => number): number[] => (samples.get(work) ?? []).map(pick);
  return {
    what: `${name}: ${work}`,
    'per second and core': spread(of((sample) => sample.perCoreSecond)),
    'per second': spread(of((sample) => sample.perSecond)),
    'cores used': spread(
      of((sample) => sample.cores),
      2,
    ),
  };
}
