// Chat through the pair, beside HAProxy → stunnel, the same Prosody behind both, on the same machine, turn by turn:
//   ours:  clients ──TLS──▶ edge ──TLS──▶ core ──TLS──▶ Prosody      peer:  clients ──TLS──▶ HAProxy ──▶ stunnel ──TLS──▶ Prosody
// Arguments: rounds (3), seconds per measurement (4), presence domains that core serves (1). Targets: stanzas/s not below the
// peer's; processor time of edge and core per stanza at most half of Prosody's own.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createLabAuthority } from '../../lab/authority/authority.ts';
import { DOMAIN, EDGE_NAME, foundCompany } from '../e2e/company.ts';
import { startProsody } from '../interop/prosody.ts';
import type { ProcessKeeper, StartedProcess } from '../topology/process-keeper.ts';
import { canRun } from '../topology/requirements.ts';
import { cpuSeconds, median, residentMB, spread, withChildren } from './sip-measure.ts';
import { type LoadDoor, XmppLoad } from './xmpp-load.ts';

const BLOCK = 44;
const at = (last: number): string => `127.0.${BLOCK}.${last}`;
const PAIRS = 8;
const PASSWORD = 'load';
const WARM_MS = 3_000;

interface Turn {
  readonly stanzasPerSecond: number;
  /** Microseconds of processor time per stanza. */
  readonly ownUs: number;
  readonly serverUs: number;
}

interface Side {
  readonly name: string;
  readonly door: LoadDoor;
  readonly pids: () => readonly number[];
  readonly turns: Turn[];
}

export async function run(args: readonly string[]): Promise<void> {
  if (!canRun('xmpp', ['prosody', 'prosodyctl', 'haproxy', 'stunnel'])) return;
  const [rounds = 3, seconds = 4, domains = 1] = args.map(Number);
  const now = Date.now();
  const [outside, inside] = await Promise.all([
    createLabAuthority('Outside', now),
    createLabAuthority('Inside', now),
  ]);
  const door = await outside.issue([EDGE_NAME, DOMAIN]);
  const company = await foundCompany({
    block: BLOCK,
    edge: {
      certificate: { chain: 'file:door.pem', key: 'file:door.key' },
      xmpp: { enabled: true, 'max-rate': '1 GiB' },
    },
    core: {
      domains: [DOMAIN, ...Array.from({ length: domains - 1 }, (_, n) => `d${n}.${DOMAIN}`)].map((name) => ({
        name,
      })),
      xmpp: { enabled: true },
      'unified-cm': [
        {
          publisher: at(30),
          authority: 'file:all-inside.pem',
          'static-nodes': [{ name: at(40), kind: 'im-presence' }],
        },
      ],
    },
  });
  const write = (name: string, text: string): void =>
    writeFileSync(path.join(company.folder, name), text, { mode: 0o600 });
  try {
    write('door.pem', door.chain);
    write('door.key', door.key);
    write('door-joined.pem', door.chain + door.key);
    write('all-inside.pem', inside.certificate);
    const server = await startProsody(company.keeper, {
      folder: company.folder,
      address: at(40),
      domain: DOMAIN,
      certificate: await inside.issue([DOMAIN]),
      accounts: Object.fromEntries(Array.from({ length: 2 * PAIRS }, (_, n) => [`u${n}`, PASSWORD])),
      modules: [],
      directTlsPort: 5223,
    });
    await company.start();
    const peers = await startPeerChain(company.keeper, company.folder, write);
    const ours = [...withChildren(company.edge.pid), ...withChildren(company.core.pid)];
    const sides: Side[] = [
      { name: 'edge → core', door: { host: at(10), port: 5222 }, pids: () => ours, turns: [] },
      {
        name: 'HAProxy → stunnel',
        door: { host: at(50), port: 5222 },
        pids: () => peers.flatMap(({ pid }) => withChildren(pid)),
        turns: [],
      },
    ];
    for (const side of sides) await measure(side, server.pid, WARM_MS, false);
    for (let round = 0; round < rounds; round += 1)
      for (const side of sides) await measure(side, server.pid, seconds * 1000, true);
    report(sides);
  } finally {
    await company.close();
  }
}

async function startPeerChain(
  keeper: ProcessKeeper,
  folder: string,
  write: (name: string, text: string) => void,
): Promise<readonly StartedProcess[]> {
  const file = (name: string): string => path.join(folder, name);
  write(
    'haproxy.cfg',
    `global\n  nbthread 1\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h
frontend f\n  bind ${at(50)}:5222 ssl crt ${file('door-joined.pem')}\n  default_backend b
backend b\n  server s ${at(51)}:5224\n`,
  );
  write(
    'stunnel.conf',
    `foreground = yes\npid =\nsyslog = no\n[x]\nclient = yes\naccept = ${at(51)}:5224\nconnect = ${at(40)}:5223
verifyChain = yes\ncheckHost = ${DOMAIN}\nsni = ${DOMAIN}\nCAfile = ${file('all-inside.pem')}\nTIMEOUTidle = 3600\n`,
  );
  const stunnel = keeper.start(['stunnel', file('stunnel.conf')], { name: 'stunnel' });
  await stunnel.said(/Configuration successful/);
  const haproxy = keeper.start(['haproxy', '-db', '-f', file('haproxy.cfg')], { name: 'haproxy' });
  return [stunnel, haproxy];
}

async function measure(side: Side, server: number, ms: number, keep: boolean): Promise<void> {
  const load = await XmppLoad.open(side.door, DOMAIN, PAIRS, PASSWORD);
  load.start();
  await delay(500);
  const before = { own: cpuSeconds(side.pids()), server: cpuSeconds([server]), count: load.delivered };
  const began = performance.now();
  await delay(ms);
  const elapsed = (performance.now() - began) / 1000;
  const stanzas = load.delivered - before.count;
  const perStanza = (cpu: number): number => (cpu * 1e6) / stanzas;
  const turn = {
    stanzasPerSecond: stanzas / elapsed,
    ownUs: perStanza(cpuSeconds(side.pids()) - before.own),
    serverUs: perStanza(cpuSeconds([server]) - before.server),
  };
  load.stop();
  load.close();
  if (keep) side.turns.push(turn);
}

function report(sides: readonly Side[]): void {
  console.log(
    `${PAIRS} pairs, 20 messages under way each, TLS on every outer hop. Median (min-max) of each side's turns.`,
  );
  console.table(
    sides.map(({ name, turns, pids }) => ({
      what: name,
      'stanzas/s': spread(turns.map((turn) => turn.stanzasPerSecond)),
      'own µs per stanza': spread(
        turns.map((turn) => turn.ownUs),
        1,
      ),
      'Prosody µs per stanza': spread(
        turns.map((turn) => turn.serverUs),
        1,
      ),
      'memory MB': residentMB(pids()).toFixed(0),
    })),
  );
  const [ours, peer] = sides;
  const of = (side: Side | undefined, pick: (turn: Turn) => number): number =>
    median(side?.turns.map(pick) ?? []);
  const ratio = (value: number): number => Math.round(value * 100) / 100;
  const rates = of(ours, (turn) => turn.stanzasPerSecond) / of(peer, (turn) => turn.stanzasPerSecond);
  const cost = of(ours, (turn) => turn.ownUs) / of(ours, (turn) => turn.serverUs);
  const ratios = { 'vs haproxy+stunnel+prosody': ratio(rates), 'processor time vs prosody': ratio(cost) };
  console.log(JSON.stringify({ bench: 'xmpp', ratios }));
}
