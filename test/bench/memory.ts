// Memory of one edge and one core that hold idle registrations, each over a TLS connection of its own: resident memory of
// both processes before, at the highest, and once they have been left alone. Arguments: registrations (10000), seconds to
// settle (30). Target: below 400 MB each.
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { memoryMiB } from './sip-measure.ts';
import { Phone } from './sip-phone.ts';
import { registerAll } from './sip-load.ts';
import {
  CORE,
  DOMAIN,
  NEEDED,
  nodeFlags,
  openStage,
  startInside,
  startViaduct,
  type Stage,
  type Viaduct,
} from './sip-stage.ts';

const TARGET_MB = 400;
/** Handshakes at once; below what the door allows. */
const AT_ONCE = 64;
const BEFORE_MS = 3000;

interface Row {
  readonly before: number;
  readonly registered: number;
  readonly settled: number;
  readonly peak: number;
}

export async function run(args: readonly string[]): Promise<void> {
  const missing = Object.entries(NEEDED).filter(([program]) => !existsSync(program));
  if (missing.length > 0) {
    console.log(`memory: skipped, missing programs; install ${missing.map(([, name]) => name).join(' ')}`);
    return;
  }
  const [registrations = 10_000, settleSeconds = 30] = args.map(Number);
  const stage = await openStage('memory');
  try {
    await startInside(stage);
    const viaduct = await startViaduct(stage, {
      maxConnections: registrations + 100,
      nodeFlags: nodeFlags(),
    });
    await pause(BEFORE_MS);
    const before = memoryOf(viaduct);
    const phones = await registerMany(stage, registrations);
    const registered = memoryOf(viaduct);
    await pause(settleSeconds * 1000);
    await checkHeld(stage, registrations);
    report(registrations, settleSeconds, { before, registered, settled: memoryOf(viaduct) });
    for (const phone of phones) phone.close();
  } finally {
    await stage.close();
  }
}

type Both = Readonly<Record<keyof Viaduct, { readonly now: number; readonly peak: number }>>;

function memoryOf({ edge, core }: Viaduct): Both {
  return { edge: memoryMiB(edge.pid), core: memoryMiB(core.pid) };
}

async function registerMany({ at }: Stage, count: number): Promise<Phone[]> {
  const phones: Phone[] = [];
  const route = `<sip:${CORE}:5061;transport=tls;zone-id=1;directed;lr>`;
  const same = { host: at.edge, port: 5061, domain: DOMAIN, target: at.registrar, route };
  while (phones.length < count) {
    const size = Math.min(AT_ONCE, count - phones.length);
    const numbers = Array.from({ length: size }, (_, index) => phones.length + index);
    const more = await Promise.all(
      numbers.map((index) => Phone.open({ ...same, from: at.client(index), user: `m${index}` })),
    );
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

function report(
  count: number,
  settleSeconds: number,
  seen: Record<'before' | 'registered' | 'settled', Both>,
) {
  const rowOf = (role: keyof Viaduct): Row => ({
    before: seen.before[role].now,
    registered: seen.registered[role].now,
    settled: seen.settled[role].now,
    peak: seen.settled[role].peak,
  });
  const rows = { edge: rowOf('edge'), core: rowOf('core') };
  console.log(
    `${count} idle registrations, one TLS connection each; settled: ${settleSeconds} s later. MB resident.`,
  );
  console.table(Object.fromEntries(Object.entries(rows).map(([role, row]) => [role, inMegabytes(row)])));
  console.log(
    JSON.stringify({
      bench: 'memory',
      registrations: count,
      targetMB: TARGET_MB,
      edge: inMegabytes(rows.edge),
      core: inMegabytes(rows.core),
    }),
  );
}

/** Targets are in megabytes, the kernel counts in KiB. */
function inMegabytes(row: Row): Record<string, number> {
  return Object.fromEntries(Object.entries(row).map(([key, mib]) => [key, Math.round(mib * 1.048576)]));
}
