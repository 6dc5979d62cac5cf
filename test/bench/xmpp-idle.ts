// What idle sessions cost and what the pair adds to a stanza's way: memory of edge and core with so many clients signed in
// (target: 10,000 under 600 MB), then the delay of single stanzas through the pair beside the same server asked directly, while
// other clients load it to about half (target: p99 at most 3 ms more). Arguments: sessions (10000), probes (1000), stanzas per
// second of the load (2000). Delay is wall-clock time: only of use on a quiet machine.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TLSSocket } from 'node:tls';
import { createLabAuthority } from '../../lab/authority/authority.ts';
import { type Company, DOMAIN, EDGE_NAME, foundCompany } from '../e2e/company.ts';
import { startProsody } from '../interop/prosody.ts';
import { canRun } from '../topology/requirements.ts';
import { residentMB, withChildren } from './sip-measure.ts';
import { type LoadDoor, signIn } from './xmpp-load.ts';

const BLOCK = 47;
const at = (last: number): string => `127.0.${BLOCK}.${last}`;
const USERS = 20;
const PASSWORD = 'load';
/** Sign-ins under way at once. */
const WIDTH = 50;
const SETTLE_MS = 3_000;
const TICK_MS = 10;

export async function run(args: readonly string[]): Promise<void> {
  if (!canRun('xmpp-idle', ['prosody', 'prosodyctl'])) return;
  const [sessions = 10_000, probes = 1000, load = 2000] = args.map(Number);
  const company = await found();
  const open: TLSSocket[] = [];
  try {
    const ours = (): readonly number[] =>
      [company.edge.pid, company.core.pid].flatMap((pid) => withChildren(pid));
    const pair: LoadDoor = { host: at(10), port: 5222 };
    const direct: LoadDoor = { host: at(40), port: 5223 };
    const before = residentMB(ours());
    const began = performance.now();
    await signInMany(sessions, open, pair);
    const perSecond = sessions / ((performance.now() - began) / 1000);
    await delay(SETTLE_MS);
    const after = residentMB(ours());
    console.table([
      {
        sessions,
        'MB before': before.toFixed(0),
        'MB with them': after.toFixed(0),
        'KiB each': (((after - before) * 1024) / sessions).toFixed(1),
        'sign-ins/s': perSecond.toFixed(0),
      },
    ]);
    const stop = await startLoad(pair, open, load);
    const delays = [await probe(direct, open, 'd', probes), await probe(pair, open, 'p', probes)] as const;
    stop();
    const [alone, through] = delays.map((list) => list.toSorted((a, b) => a - b));
    const p = (list: readonly number[] = [], share = 0): number => list[Math.floor(list.length * share)] ?? 0;
    console.table(
      [alone, through].map((list, side) => ({
        what: side === 0 ? 'server asked directly' : 'through edge and core',
        'p50 ms': p(list, 0.5).toFixed(2),
        'p99 ms': p(list, 0.99).toFixed(2),
      })),
    );
    const added = Math.round((p(through, 0.99) - p(alone, 0.99)) * 100) / 100;
    const ratios = {
      'MB of 600': Math.round((after / 600) * 100) / 100,
      'added p99 ms of 3': Math.round((added / 3) * 100) / 100,
    };
    console.log(JSON.stringify({ bench: 'xmpp-idle', ratios }));
  } finally {
    for (const socket of open) socket.destroy();
    await company.close();
  }
}

async function found(): Promise<Company> {
  const now = Date.now();
  const [outside, inside] = await Promise.all([
    createLabAuthority('Outside', now),
    createLabAuthority('Inside', now),
  ]);
  const door = await outside.issue([EDGE_NAME, DOMAIN]);
  const node = {
    publisher: at(30),
    authority: 'file:all-inside.pem',
    'static-nodes': [{ name: at(40), kind: 'im-presence' }],
  };
  const company = await foundCompany({
    block: BLOCK,
    edge: {
      certificate: { chain: 'file:door.pem', key: 'file:door.key' },
      xmpp: { enabled: true, 'max-connections-per-address': 100_000, 'sign-in-timeout': '5 min' },
    },
    core: {
      xmpp: { enabled: true, 'max-sessions-per-user': 1000, 'connect-timeout': '30 s' },
      'unified-cm': [node],
    },
  });
  const write = (name: string, text: string): void =>
    writeFileSync(path.join(company.folder, name), text, { mode: 0o600 });
  write('door.pem', door.chain);
  write('door.key', door.key);
  write('all-inside.pem', inside.certificate);
  await startProsody(company.keeper, {
    folder: company.folder,
    address: at(40),
    domain: DOMAIN,
    certificate: await inside.issue([DOMAIN]),
    accounts: Object.fromEntries(Array.from({ length: USERS }, (_, n) => [`u${n}`, PASSWORD])),
    modules: [],
    directTlsPort: 5223,
  });
  await company.start();
  return company;
}

async function signInMany(count: number, open: TLSSocket[], door: LoadDoor): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++)
      open.push(await signIn(door, DOMAIN, `u${n % USERS}`, PASSWORD, { resource: `r${n}`, isQuiet: true }));
  };
  await Promise.all(Array.from({ length: WIDTH }, worker));
}

const message = (to: string, id: string): string =>
  `<message to='${to}@${DOMAIN}/${id}' type='chat' id='m'><body>The quick brown fox jumps over the lazy dog.</body></message>`;

/** One client writes to another at a steady rate. */
async function startLoad(door: LoadDoor, open: TLSSocket[], perSecond: number): Promise<() => void> {
  const from = await signIn(door, DOMAIN, 'u0', PASSWORD, { resource: 'load-from', isQuiet: true });
  const to = await signIn(door, DOMAIN, 'u1', PASSWORD, { resource: 'load-to', isQuiet: true });
  open.push(from, to);
  for (const socket of [from, to]) socket.resume();
  const batch = message('u1', 'load-to').repeat(Math.round((perSecond * TICK_MS) / 1000));
  const timer = setInterval(() => from.write(batch), TICK_MS);
  return () => clearInterval(timer);
}

/** Milliseconds from writing a message to its arrival, one at a time. */
async function probe(door: LoadDoor, open: TLSSocket[], name: string, count: number): Promise<number[]> {
  const resources = [`${name}-from`, `${name}-to`] as const;
  const from = await signIn(door, DOMAIN, 'u2', PASSWORD, { resource: resources[0], isQuiet: true });
  const to = await signIn(door, DOMAIN, 'u3', PASSWORD, { resource: resources[1], isQuiet: true });
  open.push(from, to);
  from.resume();
  const delays: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const began = performance.now();
    from.write(message('u3', resources[1]));
    await new Promise<void>((resolve) => {
      let seen = '';
      const read = (chunk: Buffer): void => {
        seen += chunk.toString('latin1');
        if (!seen.includes('</message>')) return;
        to.off('data', read);
        resolve();
      };
      to.on('data', read);
    });
    delays.push(performance.now() - began);
    await delay(1);
  }
  return delays;
}
