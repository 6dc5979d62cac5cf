// The media benchmark's generator and sink, test/bench/native/udp-load.c, and the bare relay beside it: compiled when
// the benchmark starts, pinned to a processor of their own where there are two.
import { execFileSync, spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';

/** One run of the generator. */
export interface LoadResult {
  readonly sent: number;
  readonly refused: number;
  readonly received: number;
  /** Received with a size or SSRC that nobody sent. */
  readonly wrong: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

const SOURCES = path.join(import.meta.dirname, 'native');
const COMPILER = '/usr/bin/gcc';

export const compilerPresent = existsSync(COMPILER);
export const libsrtpPresent = existsSync('/usr/include/srtp2/srtp.h');

/** Compiles generator and relay into `folder`. */
export function compileTools(folder: string): void {
  const compile = (name: string, ...args: string[]): void => {
    execFileSync(COMPILER, ['-O2', '-o', path.join(folder, name), path.join(SOURCES, `${name}.c`), ...args]);
  };
  compile('udp-load', ...(libsrtpPresent ? ['-DWITH_SRTP', '-lsrtp2'] : []));
  compile('udp-relay');
}

/** A command on one processor: 0 for what is measured, 1 for who measures. */
export function pinned(processor: 0 | 1, command: readonly string[]): [string, string[]] {
  const where = availableParallelism() < 2 ? [] : ['taskset', '-c', String(processor)];
  const [program = '', ...args] = [...where, ...command];
  return [program, args];
}

/**
 * Lets this benchmark and all it starts go before other work on the machine, where it may, so that the others'
 * turns are not taken for our delays. By session, as the kernel groups processes: within, nobody is preferred.
 */
export function goFirst(): void {
  try {
    writeFileSync('/proc/self/autogroup', '-20');
  } catch {
    console.log('not privileged: other work on this machine is in the delays');
  }
}

export class LoadGenerator {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;

  constructor(folder: string, lines: readonly string[]) {
    const [program, args] = pinned(1, [path.join(folder, 'udp-load')]);
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stdin.write(`${lines.join('\n')}\n`);
  }

  async run(perSecond: number, ms: number): Promise<LoadResult> {
    this.#child.stdin.write(`run ${Math.round(perSecond)} ${ms}\n`);
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error('the generator died');
    return JSON.parse(value) as LoadResult;
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, 'exit');
  }
}

/** CPU seconds that a process and all its threads have used. */
export function cpuSeconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const used = threads.map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return used.reduce((sum, nanoseconds) => sum + nanoseconds, 0) / 1e9;
}
