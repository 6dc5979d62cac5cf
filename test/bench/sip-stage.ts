// The stage of the SIP benchmarks: edge and core as an operator starts them (`viaduct edge FILE`, `viaduct core FILE`,
// TLS on both hops), and inside one Kamailio as registrar with two SIPp processes that answer calls. Everything
// stands on its own addresses of 127.0.0.0/8, so that the standard ports are free.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { createPair } from '../../zones/index.ts';
import { createAuthority, issueIdentity } from '../../zones/pair/certificate.ts';
import { ProcessKeeper, type StartedProcess } from '../topology/process-keeper.ts';
import { until } from '../topology/until.ts';
import { listens } from './sip-listening.ts';
import { startRegistrar } from './sip-kamailio.ts';
import { startAnswering } from './sip-uas.ts';

export const EDGE = 'edge.bench.example.com';
export const CORE = 'core.bench.example.com';
export const DOMAIN = 'bench.example.com';

/** Programs the benchmarks need and the package that has each. */
export const NEEDED: Readonly<Record<string, string>> = {
  '/usr/sbin/kamailio': 'kamailio kamailio-tls-modules',
  '/usr/bin/sipp': 'sip-tester',
};

/** Who stands where: one network of 127.0.0.0/8 for each run, taken from the process id. */
export interface Addresses {
  readonly edge: string;
  readonly core: string;
  readonly registrar: string;
  readonly answering: string;
  readonly peerEdge: string;
  readonly peerCore: string;
  /** The address of the client with this number. */
  client(index: number): string;
}

export interface Stage {
  readonly folder: string;
  readonly keeper: ProcessKeeper;
  readonly at: Addresses;
  close(): Promise<void>;
}

/** Opens a folder and the keeper of the processes; nothing runs yet. */
export async function openStage(name: string): Promise<Stage> {
  const folder = mkdtempSync(`${tmpdir()}/viaduct-bench-${name}-`);
  const keeper = new ProcessKeeper(folder);
  await writeCertificates(folder);
  return {
    folder,
    keeper,
    at: addresses(process.pid),
    close: async () => {
      await keeper.stopAll();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function addresses(pid: number): Addresses {
  const network = `127.${80 + (Math.floor(pid / 250) % 100)}.${(pid % 250) + 1}`;
  const second = network.replace('127.', '').split('.').map(Number);
  return {
    edge: `${network}.1`,
    core: `${network}.2`,
    registrar: `${network}.3`,
    answering: `${network}.4`,
    peerEdge: `${network}.11`,
    peerCore: `${network}.12`,
    client: (index) =>
      `127.${(second[0] ?? 0) + 100 > 254 ? 20 : 200}.${second[1] ?? 0}.${(index % 200) + 20}`,
  };
}

/** The public certificate, and an authority with two identities for the peer's own link. */
async function writeCertificates(folder: string): Promise<void> {
  const validity = { from: Date.now(), days: 2 };
  const authority = await createAuthority('bench', validity);
  writeFileSync(path.join(folder, 'authority.pem'), authority.certificate);
  for (const name of [EDGE, CORE]) {
    const identity = await issueIdentity(authority, name, validity);
    writeFileSync(path.join(folder, `${name}.pem`), identity.certificate);
    writeFileSync(path.join(folder, `${name}.key`), identity.key, { mode: 0o600 });
  }
}

/** The registrar and those who answer: the same for whoever stands before them. */
export async function startInside({ folder, keeper, at }: Stage): Promise<void> {
  const silent = { address: at.answering, port: 5062, user: 'silent', withMedia: false };
  const voice = { address: at.answering, port: 5063, user: 'voice', withMedia: true };
  for (const one of [silent, voice]) await startAnswering(keeper, folder, one);
  await startRegistrar(keeper, folder, {
    address: at.registrar,
    answering: { silent: `${at.answering}:5062`, voice: `${at.answering}:5063` },
  });
}

export interface Viaduct {
  readonly edge: StartedProcess;
  readonly core: StartedProcess;
}

/** Edge and core, joined and ready. `nodeFlags` go to both processes. */
export async function startViaduct(
  stage: Stage,
  options: { readonly maxConnections: number; readonly nodeFlags: readonly string[] },
): Promise<Viaduct> {
  const { folder, keeper, at } = stage;
  const pair = await createPair({
    zoneName: 'inside',
    zoneId: 1,
    edges: [{ name: EDGE, address: at.edge }],
    cores: [{ name: CORE }],
    days: 2,
    now: Date.now(),
  });
  for (const { role, yaml } of pair.files)
    writeFileSync(path.join(folder, `zone-${role}.yaml`), yaml, { mode: 0o600 });
  writeFileSync(path.join(folder, 'edge.yaml'), stringify(edgeSettings(at, options.maxConnections)));
  writeFileSync(path.join(folder, 'core.yaml'), stringify(coreSettings(at)));
  mkdirSync(path.join(folder, 'state'));
  const launcher = fileURLToPath(new URL('../../bin/viaduct.mjs', import.meta.url));
  const start = (role: 'edge' | 'core'): StartedProcess =>
    keeper.start(
      [process.execPath, ...options.nodeFlags, launcher, role, path.join(folder, `${role}.yaml`)],
      { name: role, cwd: folder },
    );
  const edge = start('edge');
  await until('edge listens', () => listens(at.edge, 5061), {
    deadlineMs: 30_000,
    detail: () => edge.tail(),
  });
  const core = start('core');
  await core.said(/SIP link to edge is up/, { timeoutMs: 30_000 });
  return { edge, core };
}

function edgeSettings(at: Addresses, maxConnections: number): object {
  return {
    edge: { name: EDGE },
    zones: ['zone-edge.yaml'],
    listen: { external: at.edge, internal: at.edge },
    certificate: { chain: `file:${EDGE}.pem`, key: `file:${EDGE}.key` },
    // A load generator says more per connection than a phone does.
    sip: { 'max-messages-per-second': 100_000, 'max-connections': maxConnections },
    admin: { address: at.edge, port: 8080 },
  };
}

function coreSettings(at: Addresses): object {
  return {
    core: { name: CORE },
    zones: ['zone-core.yaml'],
    domains: [{ name: DOMAIN }],
    'unified-cm': [{ publisher: at.registrar, 'retry-interval': '10 min' }],
    sip: { address: at.core, 'max-calls-per-user': 10_000 },
    'state-directory': 'state',
    admin: { address: at.core, port: 8080 },
  };
}

/** Further flags for both processes, for one who profiles: `BENCH_NODE_FLAGS="--cpu-prof --cpu-prof-dir=…"`. */
export function nodeFlags(): readonly string[] {
  return (process.env['BENCH_NODE_FLAGS'] ?? '').split(' ').filter(Boolean);
}
