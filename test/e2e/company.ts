// One company of its own for a test file: edge and core as the processes an operator starts, from files on disk, and the
// lab's Unified CM in this process. Each file has its own block of loopback addresses, so files run side by side.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { stringify } from 'yaml';
import { createLabAuthority, type IssuedCertificate } from '../../lab/authority/authority.ts';
import { type Enterprise, exampleEnterprise, standardPorts } from '../../lab/unified-cm/enterprise.ts';
import { startUnifiedCm } from '../../lab/unified-cm/unified-cm.ts';
import { createPair, type Pair, type PairRequest } from '../../zones/pair/pair.ts';
import { ProcessKeeper } from '../topology/process-keeper.ts';
import { makeRunFolder } from '../topology/run-folder.ts';
import { until } from '../topology/until.ts';
import { ViaductProcess } from './viaduct-process.ts';

export const DOMAIN = 'example.com';
export const EDGE_NAME = 'edge.example.com';
export const CORE_NAME = 'core.example.com';

const heap = { NODE_OPTIONS: '--max-old-space-size=80' };

/** Under these what is kept shows at once, as growth or as the end of the process, and not as a collector's patience. */
export const smallHeaps = { edge: heap, core: heap };

/** Who stands where in a block `127.0.<block>.x`. */
export interface Addresses {
  readonly edge: string;
  readonly core: string;
  readonly ucm: string;
  readonly client: string;
  readonly deskPhone: string;
  readonly stranger: string;
}

/** The zone file of each side, as YAML. */
export interface ZoneTexts {
  readonly edge: string;
  readonly core: string;
}

export interface CompanyOptions {
  /** Third octet of its addresses; 20 and up, one per test file. */
  readonly block: number;
  /** Settings laid over those of the edge's file, by top-level key. */
  readonly edge?: object;
  readonly core?: object;
  /** Seam for tests about identities: what `viaduct pair` would have made. */
  readonly pair?: (request: PairRequest) => Promise<ZoneTexts>;
  /** Words before the command, such as `unshare`. */
  readonly insideOf?: { readonly edge?: readonly string[]; readonly core?: readonly string[] };
  readonly environment?: { readonly edge?: Record<string, string>; readonly core?: Record<string, string> };
}

export interface Company {
  readonly folder: string;
  readonly at: Addresses;
  readonly keeper: ProcessKeeper;
  readonly enterprise: Enterprise;
  /** `METHOD target` of every web request that Unified CM has answered. */
  readonly askedInside: readonly string[];
  readonly edge: ViaductProcess;
  readonly core: ViaductProcess;
  /** PEM that outside clients trust. */
  readonly publicAuthority: string;
  /** Starts both and waits for every plane of the link. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export function addressesOf(block: number): Addresses {
  const at = (last: number): string => `127.0.${block}.${last}`;
  return {
    edge: at(10),
    core: at(20),
    ucm: at(30),
    client: at(100),
    deskPhone: at(200),
    stranger: at(66),
  };
}

/** Writes the files and starts Unified CM; edge and core are started by `start`, or one by one. */
export async function foundCompany(options: CompanyOptions): Promise<Company> {
  const run = makeRunFolder(`e2e-${options.block}`);
  const keeper = new ProcessKeeper(run.path);
  const at = addressesOf(options.block);
  const files = await writeFiles(run.path, at, options);
  const enterprise = exampleEnterprise([{ name: at.ucm, address: at.ucm }], DOMAIN);
  const askedInside: string[] = [];
  const unifiedCm = await startUnifiedCm({
    enterprise,
    ports: standardPorts,
    certificate: files.ucm,
    authority: files.insideAuthority,
    onRequest: ({ method, target }) => askedInside.push(`${method} ${target}`),
  });
  const viaduct = (role: 'edge' | 'core'): ViaductProcess =>
    new ViaductProcess(keeper, {
      role,
      file: path.join(run.path, `${role}.yaml`),
      admin: `http://${at[role]}:8090`,
      inside: options.insideOf?.[role] ?? [],
      environment: options.environment?.[role] ?? {},
    });
  const edge = viaduct('edge');
  const core = viaduct('core');
  return {
    folder: run.path,
    at,
    keeper,
    enterprise,
    askedInside,
    edge,
    core,
    publicAuthority: files.publicAuthority,
    start: async () => {
      await Promise.all([edge.start(), core.start()]);
      await linksUp(edge, core);
    },
    close: async () => {
      await keeper.stopAll();
      await unifiedCm.close();
      run.remove();
    },
  };
}

/** Waits until both say that web, SIP and media links are up. */
export async function linksUp(
  edge: ViaductProcess,
  core: ViaductProcess,
  deadlineMs = 10_000,
): Promise<void> {
  await until('every plane up at both ends', async () => (await edge.isLinked()) && core.isLinked(), {
    deadlineMs,
    detail: () => `edge:\n${edge.log(20)}\ncore:\n${core.log(20)}`,
  });
}

interface Files {
  readonly ucm: IssuedCertificate;
  readonly insideAuthority: string;
  readonly publicAuthority: string;
}

async function writeFiles(folder: string, at: Addresses, options: CompanyOptions): Promise<Files> {
  const now = Date.now();
  const write = (name: string, text: string): void =>
    writeFileSync(path.join(folder, name), text, { mode: 0o600 });
  const [publicAuthority, insideAuthority, zones] = await Promise.all([
    createLabAuthority('Public authority of a test', now),
    createLabAuthority('Inside authority of a test', now),
    (options.pair ?? pairAsUsual)({
      zoneName: 'inside',
      zoneId: 1,
      edges: [{ name: EDGE_NAME, address: at.edge }],
      cores: [{ name: CORE_NAME }],
      days: 90,
      now,
    }),
  ]);
  const [edge, ucm] = await Promise.all([
    publicAuthority.issue([EDGE_NAME]),
    insideAuthority.issue([at.ucm]),
  ]);
  write('zone-edge.yaml', zones.edge);
  write('zone-core.yaml', zones.core);
  write('edge.pem', edge.chain);
  write('edge.key', edge.key);
  write('inside-authority.pem', insideAuthority.certificate);
  write('edge.yaml', stringify({ ...edgeSettings(at), ...options.edge }));
  write('core.yaml', stringify({ ...coreSettings(at, folder), ...options.core }));
  return { ucm, insideAuthority: insideAuthority.certificate, publicAuthority: publicAuthority.certificate };
}

async function pairAsUsual(
  request: Parameters<typeof createPair>[0],
): Promise<{ edge: string; core: string }> {
  return zoneFiles(await createPair(request));
}

/** The two zone files of a pair of one edge and one core. */
export function zoneFiles(pair: Pair): ZoneTexts {
  const yaml = (role: 'edge' | 'core'): string => pair.files.find((file) => file.role === role)?.yaml ?? '';
  return { edge: yaml('edge'), core: yaml('core') };
}

function edgeSettings(at: Addresses): object {
  return {
    edge: { name: EDGE_NAME },
    zones: ['zone-edge.yaml'],
    listen: { external: at.edge, internal: at.edge },
    // Strangers here are hostile on purpose, many times over; bans.test.ts has its own.
    'intrusion-protection': { exempt: [{ network: '127.0.0.0/8' }] },
    certificate: { chain: 'file:edge.pem', key: 'file:edge.key' },
    admin: { address: at.edge },
  };
}

function coreSettings(at: Addresses, folder: string): object {
  return {
    core: { name: CORE_NAME },
    zones: ['zone-core.yaml'],
    domains: [{ name: DOMAIN }],
    'intrusion-protection': { exempt: [{ network: '127.0.0.0/8' }] },
    'unified-cm': [{ publisher: at.ucm, authority: 'file:inside-authority.pem' }],
    sip: { address: at.core },
    links: { 'local-address': at.core },
    admin: { address: at.core },
    'state-directory': path.join(folder, 'core-state'),
  };
}
