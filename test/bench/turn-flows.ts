// ChannelData from clients to a peer by number of flows and size, as fast as nothing is lost: ours, coturn and a bare relay
// in C that knows neither TURN nor permissions and sends from one socket (test/bench/native/udp-relay.c). Then what an
// allocation with a channel costs in memory. Arguments: milliseconds per trial (300).
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { compileTools, cpuSeconds, pinned } from './media-load.ts';
import { PEER_PORT, TurnLoad } from './turn-load.ts';
import { coturnPresent, startTurnParty, stopTurnParty, TURN_PORT, type TurnParty } from './turn-parties.ts';

type Party = TurnParty | 'C relay';

const RATES = [50_000, 75_000, 100_000, 130_000, 160_000, 200_000, 250_000, 300_000, 400_000];
/** Packets that may be lost before a rate is too much. */
const LOSS = 0.001;
const OVERLOADED = 0.9;
const WARM_RATE = 25_000;
const FLOWS = [1, 100, 1_000];
const SIZES = [182, 1_200];
const MEMORY_ALLOCATIONS = 1_000;

/** Runs this part of the benchmark. */
export async function runFlows(args: readonly string[]): Promise<void> {
  const [trialMs = 300] = args.map(Number);
  const parties: Party[] = coturnPresent ? ['viaduct', 'coturn', 'C relay'] : ['viaduct', 'C relay'];
  const folder = mkdtempSync(path.join(tmpdir(), 'viaduct-bench-turn-'));
  const rows: Record<string, string | number>[] = [];
  try {
    TurnLoad.compile(folder);
    compileTools(folder);
    for (const flows of FLOWS) {
      for (const bytes of SIZES) {
        const row: Record<string, string | number> = { flows, bytes };
        for (const party of parties)
          row[party] = await mostWithoutLoss(party, folder, { trialMs, flows, bytes });
        rows.push(row);
      }
    }
    console.log(
      'ChannelData to the peer: thousand packets/s below 0.1 % loss | per second and core of the server',
    );
    console.table(rows);
    const memory: Record<string, number> = {};
    for (const party of parties)
      if (party !== 'C relay') memory[party] = await memoryPerAllocation(party, folder);
    console.log(JSON.stringify({ bench: 'turn flows', rows, 'KB per allocation': memory }));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Work {
  readonly trialMs: number;
  readonly flows: number;
  readonly bytes: number;
}

async function start(
  party: Party,
  folder: string,
  { flows, bytes }: Pick<Work, 'flows' | 'bytes'>,
): Promise<{ server: ChildProcess; load: TurnLoad }> {
  const payload = Buffer.alloc(bytes, 0x5a);
  if (party !== 'C relay') {
    const server = await startTurnParty(party, folder);
    return { server, load: await TurnLoad.open(folder, 'ChannelData out', flows, payload) };
  }
  const command = [path.join(folder, 'udp-relay'), String(TURN_PORT), '1', String(PEER_PORT)];
  const server = spawn(...pinned(0, command), { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(server.stdout, 'data');
  return { server, load: TurnLoad.openPlain(folder, flows, payload) };
}

async function mostWithoutLoss(party: Party, folder: string, work: Work): Promise<string> {
  const { server, load } = await start(party, folder, work);
  let most = 0;
  let clean = true;
  let perCore = 0;
  try {
    // Until each flow has had some hundred packets: what is done once for a flow is done then.
    await load.run('ChannelData out', WARM_RATE, 500 + 4 * work.flows);
    for (const rate of RATES) {
      const before = cpuSeconds(server.pid!);
      const { sent, received, seconds } = await load.run('ChannelData out', rate, work.trialMs);
      const cpu = cpuSeconds(server.pid!) - before;
      if (received > 0 && cpu > 0) perCore = Math.max(perCore, received / cpu);
      clean &&= received >= sent * (1 - LOSS);
      if (clean) most = received / seconds;
      // The server, or the generator, has no more to give.
      if (received < sent * OVERLOADED || sent / seconds < rate * OVERLOADED) break;
    }
  } finally {
    await load.close();
    await stopTurnParty(server);
  }
  return `${(most / 1000).toFixed(0)} | ${(perCore / 1000).toFixed(0)}`;
}

/** Resident memory that an allocation with one channel adds; the kernel's for its socket is not in it. */
async function memoryPerAllocation(party: TurnParty, folder: string): Promise<number> {
  const server = await startTurnParty(party, folder);
  const before = residentKb(server.pid!);
  const payload = Buffer.alloc(16);
  const load = await TurnLoad.open(folder, 'ChannelData out', MEMORY_ALLOCATIONS, payload);
  const kb = (residentKb(server.pid!) - before) / MEMORY_ALLOCATIONS;
  await load.close();
  await stopTurnParty(server);
  return Number(kb.toFixed(1));
}

function residentKb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}
