// The stage of the HTTPS benchmark: edge and core as an operator starts them, with every check that a request meets on
// its way (lane, session cookie, allow list); inside, a node whose user data service is the lab's and whose file
// service is nginx; beside them the peer, nginx (TLS) before OpenSSH's `ssh -R`. All on addresses of this run's own.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { stringify } from 'yaml';
import { createLabAuthority } from '../../lab/authority/authority.ts';
import { exampleEnterprise } from '../../lab/unified-cm/enterprise.ts';
import { startWebServices, type WebServices } from '../../lab/unified-cm/web-services.ts';
import { createPair, printLane } from '../../zones/index.ts';
import { until } from '../topology/until.ts';
import { sshArguments, writeBackend, writeContent, writeFront, writeSshd } from './https-peers.ts';
import { reachable } from './sip-reach.ts';

const EDGE = 'edge.bench.example.com';
const CORE = 'core.bench.example.com';
const DOMAIN = 'bench.example.com';
const FILES_PORT = 6970;
const FRONT_PORT = 8443;
const SSHD_PORT = 2222;
const TUNNEL_PORT = 8080;
const WAIT = { deadlineMs: 30_000 };
const run = promisify(execFile);

/** Where requests go, what they carry, and the processes between client and node. */
export interface Way {
  readonly name: string;
  /** A file's name follows. */
  readonly base: string;
  readonly cookie: string;
  readonly pids: readonly number[];
}

export interface Stage {
  readonly ours: Way;
  readonly peer: Way;
  close(): Promise<void>;
}

interface Addresses {
  readonly edge: string;
  readonly node: string;
  readonly peer: string;
}

/** Starts everything; `nodeFlags` go to edge and core. */
export async function openStage(nodeFlags: readonly string[]): Promise<Stage> {
  const folder = mkdtempSync(`${tmpdir()}/viaduct-bench-https-`);
  const children: ChildProcess[] = [];
  const launch = (program: string, ...args: string[]): number => {
    const child = spawn(program, args, { cwd: folder, stdio: ['ignore', 'ignore', 'ignore'] });
    children.push(child);
    return child.pid ?? 0;
  };
  let node: WebServices | undefined;
  const close = async (): Promise<void> => {
    await Promise.all(children.map(stop));
    await node?.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const at = addresses(process.pid);
    writeContent(folder);
    node = await startNode(folder, at.node);
    launch('/usr/sbin/nginx', '-c', writeBackend(folder, `${at.node}:${FILES_PORT}`));
    await until('backend', () => reachable(at.node, FILES_PORT), WAIT);
    const ours = await startOurs(folder, at, nodeFlags, launch);
    const peer = await startPeer(folder, at, launch);
    return { ours, peer, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function addresses(pid: number): Addresses {
  const network = `127.${30 + (Math.floor(pid / 250) % 40)}.${(pid % 250) + 1}`;
  return { edge: `${network}.1`, node: `${network}.3`, peer: `${network}.11` };
}

/** The node's user data service, and the certificates that the doors and core need. */
async function startNode(folder: string, address: string): Promise<WebServices> {
  const now = Date.now();
  const [inside, outside] = await Promise.all([
    createLabAuthority('inside', now),
    createLabAuthority('outside', now),
  ]);
  const [certificate, door] = await Promise.all([inside.issue([address]), outside.issue([EDGE])]);
  writeFileSync(`${folder}/inside.pem`, inside.certificate);
  writeFileSync(`${folder}/tls.pem`, door.chain);
  writeFileSync(`${folder}/tls.key`, door.key, { mode: 0o600 });
  const node = { name: address, address };
  const enterprise = exampleEnterprise([node], DOMAIN);
  const ports = { uds: 8443, files: 0, secureFiles: 0, sip: 'off', secureSip: 'off' } as const;
  return startWebServices({ enterprise, node, ports, certificate });
}

async function startOurs(
  folder: string,
  at: Addresses,
  nodeFlags: readonly string[],
  launch: (program: string, ...args: string[]) => number,
): Promise<Way> {
  await writeSettings(folder, at);
  const launcher = fileURLToPath(new URL('../../bin/viaduct.mjs', import.meta.url));
  const start = (role: string): number =>
    launch(process.execPath, ...nodeFlags, launcher, role, `${folder}/${role}.yaml`);
  const pids = [start('edge'), start('core')];
  const door = `https://${at.edge}:8443`;
  let cookie: string | undefined;
  await until('sign-in through the pair', async () => (cookie = await signIn(door)) !== undefined, {
    ...WAIT,
    everyMs: 500,
  });
  const lane = printLane({
    kind: 'proxy',
    domain: DOMAIN,
    protocol: 'http',
    host: at.node,
    port: FILES_PORT,
  });
  return { name: 'viaduct', base: `${door}/${lane}`, cookie: cookie ?? '', pids };
}

async function writeSettings(folder: string, at: Addresses): Promise<void> {
  const pair = await createPair({
    zoneName: 'inside',
    zoneId: 1,
    edges: [{ name: EDGE, address: at.edge }],
    cores: [{ name: CORE }],
    days: 2,
    now: Date.now(),
  });
  for (const { role, yaml } of pair.files)
    writeFileSync(`${folder}/zone-${role}.yaml`, yaml, { mode: 0o600 });
  mkdirSync(`${folder}/state`);
  const edge = {
    edge: { name: EDGE },
    zones: ['zone-edge.yaml'],
    listen: { external: at.edge, internal: at.edge },
    certificate: { chain: 'file:tls.pem', key: 'file:tls.key' },
    admin: { address: at.edge, port: 8080 },
  };
  const core = {
    core: { name: CORE },
    zones: ['zone-core.yaml'],
    domains: [{ name: DOMAIN }],
    'unified-cm': [{ publisher: at.node, authority: 'file:inside.pem' }],
    sip: { address: at.edge, 'tcp-port': 5070 },
    'state-directory': 'state',
    admin: { address: at.edge, port: 8081 },
  };
  writeFileSync(`${folder}/edge.yaml`, stringify(edge));
  writeFileSync(`${folder}/core.yaml`, stringify(core));
}

/** Signs in as a client does; the session cookie, or undefined as long as that does not work. */
async function signIn(door: string): Promise<string | undefined> {
  const target = `${door}/${printLane({ kind: 'domain', domain: DOMAIN })}/get_edge_config?service_name=_cisco-uds`;
  const { stdout } = await run('curl', ['-sik', '--max-time', '3', '-u', 'alice:wonderland', target]).catch(
    () => ({ stdout: '' }),
  );
  return /^set-cookie: (X-Auth=[^;]+)/im.exec(stdout)?.[1];
}

async function startPeer(
  folder: string,
  at: Addresses,
  launch: (program: string, ...args: string[]) => number,
): Promise<Way> {
  const server = { address: at.peer, port: SSHD_PORT };
  const sshd = launch('/usr/sbin/sshd', '-D', '-f', writeSshd(folder, server));
  await until('sshd', () => reachable(at.peer, SSHD_PORT), WAIT);
  const ssh = launch(
    '/usr/bin/ssh',
    ...sshArguments(folder, server, `${at.peer}:${TUNNEL_PORT}:${at.node}:${FILES_PORT}`),
  );
  await until('tunnel', () => reachable(at.peer, TUNNEL_PORT), WAIT);
  const front = launch(
    '/usr/sbin/nginx',
    '-c',
    writeFront(folder, `${at.peer}:${FRONT_PORT}`, `${at.peer}:${TUNNEL_PORT}`),
  );
  await until('front', () => reachable(at.peer, FRONT_PORT), WAIT);
  const pids = [...withChildren(front), ...withChildren(sshd), ssh];
  return {
    name: 'nginx+openssh',
    base: `https://${at.peer}:${FRONT_PORT}/lane`,
    cookie: 'X-Auth=none',
    pids,
  };
}

function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  child.kill('SIGTERM');
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

/** A process and those it has started: nginx's worker, sshd's session. */
function withChildren(pid: number): number[] {
  const children = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry) && parentOf(entry) === pid);
  return [pid, ...children.flatMap((child) => withChildren(Number(child)))];
}

function parentOf(entry: string): number {
  try {
    return Number(/PPid:\s+(\d+)/.exec(readFileSync(`/proc/${entry}/status`, 'utf8'))?.[1]);
  } catch {
    return -1;
  }
}
