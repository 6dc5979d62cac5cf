// The two measurements of the HTTPS benchmark, by programs nobody here wrote: wrk for many small requests, curl for
// one large one; and the CPU time that the processes under test used meanwhile.
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { Way } from './https-stage.ts';

const run = promisify(execFile);

export interface SmallResult {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
  /** Cores used by the processes under test. */
  readonly cores: number;
}

/** 1 KiB GETs over that many kept-alive TLS connections. */
export async function measureSmall(way: Way, connections: number, seconds: number): Promise<SmallResult> {
  const before = cpuSeconds(way.pids);
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--latency', '-H', `Cookie: ${way.cookie}`];
  const { stdout } = await run('wrk', [...args, `${way.base}/small.xml`]);
  const cores = (cpuSeconds(way.pids) - before) / seconds;
  const bad = /Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? '0';
  const broken =
    /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(stdout)?.slice(1) ?? [];
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1] ?? 0),
    p50Ms: milliseconds(/50%\s+(\S+)/.exec(stdout)?.[1]),
    p99Ms: milliseconds(/99%\s+(\S+)/.exec(stdout)?.[1]),
    errors: [bad, ...broken].reduce((sum, text) => sum + Number(text), 0),
    cores,
  };
}

/** One download; MB/s. Throws when it is not complete. */
export async function measureLarge(way: Way, bytes: number): Promise<number> {
  const format = '%{http_code} %{size_download} %{speed_download}';
  const args = ['-sk', '--http1.1', '-o', '/dev/null', '-w', format, '-H', `Cookie: ${way.cookie}`];
  const { stdout } = await run('curl', [...args, `${way.base}/large.bin`]);
  const [status, size, speed] = stdout.split(' ').map(Number);
  if (status !== 200 || size !== bytes)
    throw new Error(`${way.name}: download failed: status ${status}, ${size} bytes`);
  return (speed ?? 0) / 1e6;
}

function milliseconds(text = ''): number {
  const value = Number.parseFloat(text);
  if (text.endsWith('us')) return value / 1000;
  return text.endsWith('ms') ? value : value * 1000;
}

/** CPU seconds of these processes and all their threads so far. */
function cpuSeconds(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    }
  }
  return nanoseconds / 1e9;
}

/** Resident memory of a process now and at its highest, in MiB. */
export function memoryMiB(pid: number): { now: number; peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (key: string): number =>
    Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) / 1024;
  return { now: read('VmRSS'), peak: read('VmHWM') };
}
