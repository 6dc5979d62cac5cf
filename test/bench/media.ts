// Media of many calls through our engines beside rtpengine (userspace, one thread) and a bare C relay, turn by turn
// on the same machine: packets per second and core of the process that carries them, at the rate where that is best;
// then the delay that a blocked JavaScript thread adds. Arguments: rounds (3), milliseconds per trial (500), calls (1000),
// bytes of an RTP packet (172), suite (AES_CM_128_HMAC_SHA1_80 or AEAD_AES_128_GCM).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Shape } from './media-engine-process.ts';
import {
  compilerPresent,
  compileTools,
  cpuSeconds,
  goFirst,
  libsrtpPresent,
  type LoadResult,
} from './media-load.ts';
import { openParty, type Party, type PartyName, type Work } from './media-parties.ts';
import { rtpenginePresent } from './media-rtpengine.ts';

/** Packets per second offered, one after the other; 50,000 are 1,000 calls. */
const RATES = [25_000, 50_000, 100_000, 200_000, 400_000, 800_000, 1_600_000];
/** Less than this arrived: the party, or the machine, has no more to give. */
const OVERLOADED = 0.9;
const WARM_RATE = 25_000;
const DELAY_BYTES = 172;
/** 1,000 calls of 50 packets per second, both directions of a call being two flows of one. */
const DELAY_RATE = 50_000;
const DELAY_TURNS = 7;
const DELAY_MS = 500;

interface Row {
  readonly shape: Shape;
  readonly parties: readonly PartyName[];
}

const ROWS: readonly Row[] = [
  { shape: 'client to link', parties: ['native', 'portable', 'rtpengine', 'c relay'] },
  { shape: 'link to client', parties: ['native', 'portable'] },
  { shape: 'SRTP to RTP', parties: ['native', 'portable', 'rtpengine'] },
  { shape: 'RTP to SRTP', parties: ['native', 'portable', 'rtpengine'] },
  { shape: 'link to link', parties: ['native', 'c relay'] },
];

interface Sample {
  readonly offered: number;
  readonly delivered: number;
  readonly kppsPerCore: number;
}

/** Runs the benchmark. */
export async function run(args: readonly string[]): Promise<void> {
  if (!compilerPresent) return console.log('media: skipped, gcc is missing');
  const [rounds = 3, trialMs = 500, flows = 1000, packetBytes = 172] = args.slice(0, 4).map(Number);
  const suite = args[4] === 'AEAD_AES_128_GCM' ? args[4] : 'AES_CM_128_HMAC_SHA1_80';
  const folder = mkdtempSync(path.join(tmpdir(), 'viaduct-bench-media-'));
  const samples = new Map<string, Sample[]>();
  try {
    compileTools(folder);
    goFirst();
    for (let round = 0; round < rounds; round++) {
      for (const { shape, party } of available()) {
        const work: Work = { shape, flows, packetBytes, suite };
        const sample = await measured(party, work, folder, (opened) => bestRate(opened, trialMs));
        const key = `${shape}|${party}`;
        samples.set(key, [...(samples.get(key) ?? []), sample]);
      }
    }
    report(samples, `${flows} calls, RTP of ${packetBytes} bytes, ${suite}`, await delays(folder, flows));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function available(): { shape: Shape; party: PartyName }[] {
  if (!rtpenginePresent) console.log('rtpengine is missing (rtpengine-daemon): left out');
  if (!libsrtpPresent) console.log('libsrtp2-dev is missing: no SRTP to open, that shape is left out');
  return ROWS.filter(({ shape }) => libsrtpPresent || shape !== 'SRTP to RTP').flatMap(({ shape, parties }) =>
    parties.filter((party) => party !== 'rtpengine' || rtpenginePresent).map((party) => ({ shape, party })),
  );
}

async function measured<T>(
  name: PartyName,
  work: Work,
  folder: string,
  measure: (party: Party) => Promise<T>,
): Promise<T> {
  const party = await openParty(name, work, folder);
  try {
    await party.load.run(WARM_RATE, 300);
    return await measure(party);
  } finally {
    await party.load.close();
    await party.close();
  }
}

/**
 * Offers more and more; the best rate per core counts. By CPU time of the carrying process and packets that arrived:
 * what other work on the machine makes the kernel drop costs the process nothing and so does not flatter it.
 */
async function bestRate(party: Party, trialMs: number): Promise<Sample> {
  let best: Sample = { offered: 0, delivered: 0, kppsPerCore: 0 };
  for (const rate of RATES) {
    const sample = await trial(party, rate, trialMs);
    if (sample.kppsPerCore > best.kppsPerCore) best = sample;
    if (sample.delivered < OVERLOADED) break;
  }
  return best;
}

async function trial(party: Party, rate: number, trialMs: number): Promise<Sample> {
  const before = cpuSeconds(party.pid);
  const { sent, refused, received, wrong, seconds } = await party.load.run(rate, trialMs);
  const used = cpuSeconds(party.pid) - before;
  if (wrong > 0) throw new Error(`${party.name}: ${wrong} packets came out wrong`);
  const delivered = received / Math.max(1, sent - refused);
  return { offered: sent / seconds, delivered, kppsPerCore: received / used / 1000 };
}

interface Delay {
  readonly party: string;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of the turn that other work on the machine disturbed least. */
  readonly bestP99Us: number;
}

/** Core's work at a realistic rate: as it is, and with the JavaScript thread blocked 50 ms at a time. */
async function delays(folder: string, flows: number): Promise<Delay[]> {
  const work: Work = {
    shape: 'RTP to SRTP',
    flows,
    packetBytes: DELAY_BYTES,
    suite: 'AES_CM_128_HMAC_SHA1_80',
  };
  const parties: PartyName[] = ['native', ...(rtpenginePresent ? (['rtpengine'] as const) : [])];
  const found: Delay[] = [];
  for (const name of parties) {
    await measured(name, work, folder, async (party) => {
      const states = name === 'native' ? [false, true] : [false];
      const trials = new Map<boolean, LoadResult[]>(states.map((blocked) => [blocked, []]));
      for (let turn = 0; turn < DELAY_TURNS; turn++) {
        for (const [blocked, results] of trials) {
          party.block(blocked);
          results.push(await party.load.run(DELAY_RATE, DELAY_MS));
        }
      }
      for (const [blocked, results] of trials) {
        found.push({
          party: blocked ? `${name}, JavaScript blocked` : name,
          p50Us: median(results.map(({ p50Us }) => p50Us)),
          p99Us: median(results.map(({ p99Us }) => p99Us)),
          bestP99Us: Math.min(...results.map(({ p99Us }) => p99Us)),
        });
      }
    });
  }
  return found;
}

function report(
  samples: ReadonlyMap<string, readonly Sample[]>,
  title: string,
  found: readonly Delay[],
): void {
  console.log(`${title}, one direction; median (min-max) per core of the process`);
  const medians = new Map<string, number>();
  console.table(
    [...samples].map(([key, own]) => {
      const [shape = '', party = ''] = key.split('|');
      const values = own.map(({ kppsPerCore }) => kppsPerCore);
      medians.set(key, median(values));
      const range = `${round(median(values))} (${round(Math.min(...values))}-${round(Math.max(...values))})`;
      const offered = round(median(own.map((sample) => sample.offered / 1000)));
      const delivered = round(median(own.map((sample) => sample.delivered * 100)));
      return { shape, party, 'kpps per core': range, 'kpps offered then': offered, '% delivered': delivered };
    }),
  );
  console.log(`${DELAY_RATE / 1000},000 packets/s, RTP to SRTP: delay from sending to receiving`);
  console.table(found);
  console.log(JSON.stringify({ bench: 'media', ratios: ratios(medians), delayUs: found }));
}

function ratios(medians: ReadonlyMap<string, number>): Record<string, Record<string, number>> {
  const over = (peer: PartyName, ours: PartyName): Record<string, number> =>
    Object.fromEntries(
      ROWS.filter(({ shape }) => medians.has(`${shape}|${peer}`) && medians.has(`${shape}|${ours}`)).map(
        ({ shape }) => [shape, round(medians.get(`${shape}|${ours}`)! / medians.get(`${shape}|${peer}`)!)],
      ),
    );
  return {
    'vs rtpengine': over('rtpengine', 'native'),
    'vs c relay': over('c relay', 'native'),
    'portable vs rtpengine': over('rtpengine', 'portable'),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
