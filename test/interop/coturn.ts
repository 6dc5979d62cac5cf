// Debian's coturn 4.6.1: its client, its echoing peer, its STUN client. Each run is one process with its output kept.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';

const FOLDER = '/usr/bin';
/** Whether coturn's programs are on this machine. */
export const hasCoturn = ['turnutils_uclient', 'turnutils_peer', 'turnutils_stunclient'].every((name) =>
  existsSync(`${FOLDER}/${name}`),
);
/** Longest a program may run before it is ended. */
const LIMIT_MS = 60_000;

export interface CoturnRun {
  readonly status: number | null;
  readonly output: string;
}

/** Runs one of coturn's programs to its end, or as long as it may. */
export async function runCoturn(
  program: string,
  words: readonly string[],
  limitMs = LIMIT_MS,
): Promise<CoturnRun> {
  const child = spawn(`${FOLDER}/${program}`, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  const output: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => output.push(chunk));
  const limit = setTimeout(() => child.kill('SIGKILL'), limitMs);
  const [status] = (await once(child, 'close')) as [number | null];
  clearTimeout(limit);
  return { status, output: Buffer.concat(output).toString() };
}

/** The peer that sends every packet back. */
export function startPeer(address: string, port: number): ChildProcess {
  return spawn(`${FOLDER}/turnutils_peer`, ['-L', address, '-p', String(port)], { stdio: 'ignore' });
}

export interface Traffic {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
}

/** What the client counted at its end. Zeroes when it never came so far. */
export function trafficOf({ output }: CoturnRun): Traffic {
  const totals = [...output.matchAll(/tot_send_msgs=(\d+), tot_recv_msgs=(\d+)/g)].at(-1);
  const lost = /Total lost packets (\d+)/.exec(output);
  return {
    sent: Number(totals?.[1] ?? 0),
    received: Number(totals?.[2] ?? 0),
    lost: Number(lost?.[1] ?? Infinity),
  };
}
