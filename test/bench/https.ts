// HTTPS through the pair, beside nginx → OpenSSH → nginx on the same machine in the same run, turn by turn:
//   ours:  wrk ──TLS──▶ edge ──SSH──▶ core ──▶ nginx        peer:  wrk ──TLS──▶ nginx ──▶ sshd ──SSH──▶ ssh ──▶ nginx
// Arguments: rounds (3) and seconds per measurement (3). Targets: requests/s ≥ 3, p99 ≤ 1/4, 1 GiB ≥ 0.9.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { createPair, nativeBindingLoaded } from '../../zones/index.ts';
import { createAuthority, issueIdentity } from '../../zones/pair/certificate.ts';
import { measureLarge, measureSmall, memoryMiB, type SmallResult } from './https-measure.ts';
import {
  LARGE_BYTES,
  NEEDED,
  sshArguments,
  writeBackend,
  writeContent,
  writeFront,
  writeSshd,
} from './https-peers.ts';
import { type BenchSettings, CORE, EDGE } from './https-settings.ts';

const CONNECTIONS = 50;
const WAIT_MS = 10_000;
/** Time for JIT compilers to see the path before anything is measured. */
const WARM_SECONDS = 3;
/** As production runs: bulk bodies pass through young garbage, and a small young generation is collected all the time. */
const NODE_FLAGS = ['--max-semi-space-size=64'];

interface Side {
  readonly name: string;
  readonly base: string;
  /** The processes between client and backend. */
  readonly pids: readonly number[];
  readonly small: SmallResult[];
  readonly largeMBps: number[];
}

export async function run(args: readonly string[]): Promise<void> {
  const missing = Object.entries(NEEDED).filter(([program]) => !existsSync(program));
  if (missing.length > 0) {
    console.log(`https: skipped, missing programs; install ${missing.map(([, name]) => name).join(' ')}`);
    return;
  }
  const [rounds = 3, seconds = 3] = args.map(Number);
  const folder = mkdtempSync(`${tmpdir()}/viaduct-bench-https-`);
  const children: ChildProcess[] = [];
  try {
    const sides = await start(folder, children);
    console.log(`ssh2 native binding: ${nativeBindingLoaded() ? 'loaded' : 'NOT loaded'}`);
    await measure(sides, rounds, seconds);
    report(sides);
  } finally {
    await Promise.all(children.map(stop));
    rmSync(folder, { recursive: true, force: true });
  }
}

async function start(folder: string, children: ChildProcess[]): Promise<readonly [ours: Side, peer: Side]> {
  const [edgePort, sshPort, sipPort, backendPort, frontPort, sshdPort, tunnelPort] = (await freePorts(7)) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const settings: BenchSettings = { folder, edgePort, sshPort, sipPort, backendPort };
  await writeIdentities(folder, { ssh: sshPort, sip: sipPort });
  writeContent(folder);
  const launch = (program: string, ...args: string[]): number => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    children.push(child);
    return child.pid ?? 0;
  };
  launch('/usr/sbin/nginx', '-c', writeBackend(folder, backendPort));
  const front = launch('/usr/sbin/nginx', '-c', writeFront(folder, frontPort, tunnelPort));
  const sshd = launch('/usr/sbin/sshd', '-D', '-e', '-f', writeSshd(folder, sshdPort));
  const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
  const edge = launch(process.execPath, ...NODE_FLAGS, script('https-edge.ts'), JSON.stringify(settings));
  const core = launch(process.execPath, ...NODE_FLAGS, script('https-core.ts'), JSON.stringify(settings));
  await Promise.all([sshdPort, backendPort, frontPort, edgePort].map(reachable));
  const ssh = launch('/usr/bin/ssh', ...sshArguments(folder, sshdPort, tunnelPort, backendPort));
  await reachable(tunnelPort);
  const lane = Buffer.from(`example.com/http/127.0.0.1/${backendPort}`).toString('base64url');
  const ours = side('viaduct', `https://127.0.0.1:${edgePort}/${lane}`, [edge, core]);
  const peer = side('nginx+openssh', `https://127.0.0.1:${frontPort}/lane`, [
    ...withChildren(front),
    ...withChildren(sshd),
    ssh,
  ]);
  await eventually(() => measureLarge(`${ours.base}/small`, 1024));
  await eventually(() => measureLarge(`${peer.base}/small`, 1024));
  return [ours, peer];
}

function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  child.kill('SIGTERM');
  return new Promise((resolve) => child.once('exit', () => resolve()));
}

function side(name: string, base: string, pids: readonly number[]): Side {
  return { name, base, pids, small: [], largeMBps: [] };
}

async function writeIdentities(folder: string, ports: { ssh: number; sip: number }): Promise<void> {
  const pair = await createPair({
    zoneName: 'bench',
    zoneId: 1,
    edges: [{ name: EDGE, address: '127.0.0.1' }],
    cores: [{ name: CORE }],
    days: 2,
    ports: { media: [2776, 2777], ...ports },
    now: Date.now(),
  });
  for (const { name, yaml } of pair.files) writeFileSync(`${folder}/${name}.yaml`, yaml, { mode: 0o600 });
  const validity = { from: Date.now(), days: 2 };
  const identity = await issueIdentity(await createAuthority('bench', validity), EDGE, validity);
  writeFileSync(`${folder}/tls.pem`, identity.certificate);
  writeFileSync(`${folder}/tls.key`, identity.key, { mode: 0o600 });
}

async function measure(sides: readonly Side[], rounds: number, seconds: number): Promise<void> {
  for (const { base, pids } of sides) {
    await measureSmall(`${base}/small`, CONNECTIONS, WARM_SECONDS, pids);
    await measureLarge(`${base}/large`, LARGE_BYTES);
  }
  for (let round = 0; round < rounds; round++) {
    for (const { base, pids, small, largeMBps } of sides) {
      small.push(await measureSmall(`${base}/small`, CONNECTIONS, seconds, pids));
      largeMBps.push(await measureLarge(`${base}/large`, LARGE_BYTES));
    }
  }
}

function report([ours, peer]: readonly [Side, Side]): void {
  console.log(
    `${CONNECTIONS} connections, TLS, 1 KiB; then 1 GiB. Median (min-max) of ${ours.small.length} turns.`,
  );
  console.table([ours, peer].map(row));
  for (const pid of ours.pids) console.log(`memory of process ${pid}: ${JSON.stringify(memoryMiB(pid))} MiB`);
  const of = (side: Side, pick: (result: SmallResult) => number): number => median(side.small.map(pick));
  const ratio = (pick: (result: SmallResult) => number): number => round(of(ours, pick) / of(peer, pick));
  const ratios = {
    'requests/s': ratio((result) => result.requestsPerSecond),
    p99: ratio((result) => result.p99Ms),
    '1 GiB': round(median(ours.largeMBps) / median(peer.largeMBps)),
    'requests/s per core': ratio((result) => result.requestsPerSecond / result.cores),
  };
  console.log(JSON.stringify({ bench: 'https', ratios: { 'vs nginx+openssh': ratios } }));
}

function row(side: Side): object {
  const spread = (values: readonly number[]): string =>
    `${round(median(values))} (${round(Math.min(...values))}-${round(Math.max(...values))})`;
  return {
    what: side.name,
    'requests/s': spread(side.small.map((result) => result.requestsPerSecond)),
    'p50 ms': spread(side.small.map((result) => result.p50Ms)),
    'p99 ms': spread(side.small.map((result) => result.p99Ms)),
    'cores used': spread(side.small.map((result) => result.cores)),
    errors: side.small.reduce((sum, result) => sum + result.errors, 0),
    '1 GiB MB/s': spread(side.largeMBps),
  };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** A process and those it has started: nginx's worker, sshd's sessions come later and are found by then. */
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

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => new Promise((resolve) => server.once('listening', resolve))));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function reachable(port: number): Promise<void> {
  return eventually(
    () =>
      new Promise<void>((resolve, reject) => {
        const socket = connect(port, '127.0.0.1', () => resolve(void socket.destroy()));
        socket.once('error', reject);
      }),
  );
}

async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const until = performance.now() + WAIT_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
