// Memory of one edge and one core that hold idle registrations, each over a TLS connection of its own, beside a Kamailio
// pair that holds as many. Arguments: registrations (10000), seconds to settle (30), sides (both, ours, peer).
// Target: below 400 MB resident in each of our processes.
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { registerAll } from './sip-load.ts';
import { memoryMiB, proportionalMB, residentMB } from './sip-measure.ts';
import type { Phone } from './sip-phone.ts';
import { openOurs, openPeer, type Proxies } from './sip-sides.ts';
import { NEEDED, openStage, startInside, type Stage } from './sip-stage.ts';

const TARGET_MB = 400;
/** Handshakes at once; below what the door allows. */
const AT_ONCE = 64;
const BEFORE_MS = 3000;

type Role = 'edge' | 'core';
const ROLES: readonly Role[] = ['edge', 'core'];

/** MB of one process, or of one server's processes. */
interface Row {
  readonly before: number;
  readonly registered: number;
  readonly settled: number;
  /** The most a single process was; several share memory, and then it says little. */
  readonly peak: number;
  /** What is shared within the server counted once. */
  readonly proportional: number;
}

export async function run(args: readonly string[]): Promise<void> {
  const missing = Object.entries(NEEDED).filter(([program]) => !existsSync(program));
  if (missing.length > 0) {
    console.log(`memory: skipped, missing programs; install ${missing.map(([, name]) => name).join(' ')}`);
    return;
  }
  const [registrations = 10_000, settleSeconds = 30] = args.slice(0, 2).map(Number);
  const which = args[2] ?? 'both';
  const rows = new Map<string, Row>();
  for (const [name, open] of [
    ['ours', (stage: Stage) => openOurs(stage, registrations + 100)],
    ['peer', (stage: Stage) => openPeer(stage, 2048)],
  ] as const) {
    if (which !== 'both' && which !== name) continue;
    const stage = await openStage('memory');
    try {
      await startInside(stage);
      const proxies = await open(stage);
      const measured = await measure(stage, proxies, registrations, settleSeconds * 1000);
      for (const role of ROLES) rows.set(`${proxies.name} ${role}`, measured[role]);
    } finally {
      await stage.close();
    }
  }
  report(registrations, settleSeconds, rows);
}

async function measure(
  stage: Stage,
  proxies: Proxies,
  count: number,
  settleMs: number,
): Promise<Record<Role, Row>> {
  await pause(BEFORE_MS);
  const before = resident(proxies);
  const phones = await registerMany(proxies, count);
  const registered = resident(proxies);
  await pause(settleMs);
  if (proxies.name === 'viaduct') await checkHeld(stage, count);
  const settled = resident(proxies);
  const pids = proxies.pids();
  const rowOf = (role: Role): Row => ({
    before: before[role],
    registered: registered[role],
    settled: settled[role],
    peak: Math.round(Math.max(...pids[role].map((pid) => memoryMiB(pid).peak)) * 1.048576),
    proportional: Math.round(proportionalMB(pids[role])),
  });
  const rows = { edge: rowOf('edge'), core: rowOf('core') };
  for (const phone of phones) phone.close();
  return rows;
}

function resident(proxies: Proxies): Record<Role, number> {
  const pids = proxies.pids();
  return { edge: Math.round(residentMB(pids.edge)), core: Math.round(residentMB(pids.core)) };
}

async function registerMany(proxies: Proxies, count: number): Promise<Phone[]> {
  const phones: Phone[] = [];
  while (phones.length < count) {
    const size = Math.min(AT_ONCE, count - phones.length);
    const numbers = Array.from({ length: size }, (_, index) => phones.length + index);
    const more = await Promise.all(numbers.map((index) => proxies.phone(index)));
    await registerAll(more);
    phones.push(...more);
  }
  return phones;
}

/** Rejects unless both processes say that they hold all of them. */
async function checkHeld({ at }: Stage, count: number): Promise<void> {
  const connections = await statusOf(at.edge, 'connections');
  const bound = await statusOf(at.core, 'registrations');
  if (connections !== count) throw new Error(`edge holds ${String(connections)} of ${count} connections`);
  if (bound !== count) throw new Error(`core holds ${String(bound)} of ${count} registrations`);
}

/** One number of the SIP plane, from the operator's window. */
async function statusOf(host: string, key: string): Promise<unknown> {
  const response = await fetch(`http://${host}:8080/status`);
  const status = (await response.json()) as { sip: Record<string, unknown> };
  return status.sip[key];
}

function report(count: number, settleSeconds: number, rows: ReadonlyMap<string, Row>): void {
  console.log(
    `${count} idle registrations, one TLS connection each; settled: ${settleSeconds} s later. MB resident;` +
      ' proportional: MB with what the processes of one server share counted once.',
  );
  console.table(Object.fromEntries(rows));
  const settled = Object.fromEntries([...rows].map(([name, row]) => [name, row.settled]));
  const proportional = Object.fromEntries([...rows].map(([name, row]) => [name, row.proportional]));
  console.log(
    JSON.stringify({ bench: 'memory', registrations: count, targetMB: TARGET_MB, settled, proportional }),
  );
}
