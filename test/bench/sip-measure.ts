// What processes have used: CPU time of all their threads and of the workers they have forked, and memory.
import { readdirSync, readFileSync } from 'node:fs';

/** CPU seconds of these processes so far, all threads together, from the scheduler's own account. */
export function cpuSeconds(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
    }
  }
  return nanoseconds / 1e9;
}

/** A process and all those it has forked. */
export function withChildren(pid: number): number[] {
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

/** Resident memory in MiB: now, and the most it was. */
export function memoryMiB(pid: number): { readonly now: number; readonly peak: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const read = (key: string): number =>
    Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) / 1024;
  return { now: read('VmRSS'), peak: read('VmHWM') };
}

/**
 * Memory in MB that is there because of these processes: what they share among themselves counted once, what they share
 * with others (the program's own text) by their part.
 */
export function proportionalMB(pids: readonly number[]): number {
  const kib = pids.map((pid) =>
    Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0),
  );
  return (kib.reduce((sum, one) => sum + one, 0) * 1024) / 1e6;
}

/** Resident memory of these processes in MB, what is shared counted each time. */
export function residentMB(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + memoryMiB(pid).now, 0) * 1.048576;
}

export function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** `median (min-max)`, with as many decimals as said. */
export function spread(values: readonly number[], decimals = 0): string {
  const round = (value: number): string => value.toFixed(decimals);
  return `${round(median(values))} (${round(Math.min(...values))}-${round(Math.max(...values))})`;
}
