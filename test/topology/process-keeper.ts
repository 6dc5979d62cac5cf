// Every process a test starts, by its pid: output kept, waited for by condition, ended at the close of the test.
// Each one leads a process group of its own, so that the children a server forks end with it. Nothing is found
// by name and nothing is ended that was not started here.
import { spawn, type ChildProcess } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import path from 'node:path';
import { onLastWords } from './last-words.ts';
import { until } from './until.ts';

const MAX_KEPT_CHARACTERS = 4_000_000;

export interface StartOptions {
  /** Words before the command, such as `ip netns exec <name>`; empty for the machine's own namespace. */
  readonly inside?: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** What a full log file is named after; the default is the command's own name. */
  readonly name?: string;
  /** stderr is kept apart, for `errorOutput`. */
  readonly splitOutput?: boolean;
}

/** One started process: its output so far and how it ends. */
export class StartedProcess {
  readonly name: string;
  readonly child: ChildProcess;
  /** Resolves with the exit code, or the signal's name, once the process is gone. */
  readonly ended: Promise<number | string>;
  #output = '';
  #errors = '';
  #ending: number | string | undefined;

  constructor(name: string, child: ChildProcess, options: { logFile: string; splitOutput: boolean }) {
    this.name = name;
    this.child = child;
    const log = createWriteStream(options.logFile);
    log.on('error', () => undefined);
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString('latin1')).slice(-MAX_KEPT_CHARACTERS);
      log.write(chunk);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', (chunk: Buffer) => {
      if (!options.splitOutput) return keep(chunk);
      this.#errors = (this.#errors + chunk.toString('latin1')).slice(-MAX_KEPT_CHARACTERS);
      log.write(chunk);
    });
    child.stdin?.on('error', () => undefined);
    this.ended = new Promise((resolve) => {
      const end = (how: number | string): void => {
        this.#ending = how;
        log.end();
        resolve(how);
      };
      child.once('error', (error) => end(error.message));
      child.once('close', (code, signal) => end(code ?? signal ?? 'unknown'));
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get running(): boolean {
    return this.#ending === undefined;
  }

  /** Everything said on stdout and stderr so far (the newest 4 MB of it). */
  output(): string {
    return this.#output;
  }

  /** What was said on stderr, where it is kept apart. */
  errorOutput(): string {
    return this.#errors;
  }

  /** The last lines, for a message about a failure. */
  tail(lines = 40): string {
    return this.#output.trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** Waits until `pattern` has been said after position `from`; rejects when the process ends first. */
  async said(
    pattern: RegExp,
    options: { timeoutMs?: number; from?: number } = {},
  ): Promise<RegExpMatchArray> {
    let found: RegExpMatchArray | null = null;
    await until(
      `${this.name} says ${String(pattern)}`,
      () => {
        found = this.#output.slice(options.from ?? 0).match(pattern);
        if (found === null && !this.running)
          throw new Error(`${this.name} ended (${this.#ending}):\n${this.tail()}`);
        return found !== null;
      },
      { deadlineMs: options.timeoutMs ?? 10_000, detail: () => this.tail(20) },
    );
    return found!;
  }

  /** Ends the whole group: the signal, then SIGKILL when it is still there after `graceMs`. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', graceMs = 2_000): Promise<void> {
    if (!this.running) return;
    this.signalGroup(signal);
    const hard = setTimeout(() => this.signalGroup('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(hard);
  }

  signalGroup(signal: NodeJS.Signals): void {
    if (this.child.pid === undefined) return;
    try {
      process.kill(-this.child.pid, signal);
    } catch {
      // The group is gone already.
    }
  }
}

/** Starts processes and ends all of them, also when the test process itself ends early. */
export class ProcessKeeper {
  readonly #folder: string;
  readonly #started: StartedProcess[] = [];
  readonly #forget: () => void;

  /** `folder` receives one log file per process. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#forget = onLastWords(() => {
      for (const one of this.#started) if (one.running) one.signalGroup('SIGKILL');
    });
  }

  start(command: readonly string[], options: StartOptions = {}): StartedProcess {
    const [program = '', ...args] = [...(options.inside ?? []), ...command];
    const name = options.name ?? path.basename(command[0] ?? 'process');
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const logFile = path.join(this.#folder, `${name}-${this.#started.length}.log`);
    const started = new StartedProcess(name, child, { logFile, splitOutput: options.splitOutput === true });
    this.#started.push(started);
    return started;
  }

  /** Runs a command to its end; rejects with its output when the exit code is not zero. */
  async run(
    command: readonly string[],
    options: StartOptions & { timeoutMs?: number } = {},
  ): Promise<string> {
    const one = this.start(command, options);
    one.child.stdin?.end();
    const timer = setTimeout(() => one.signalGroup('SIGKILL'), options.timeoutMs ?? 60_000);
    const how = await one.ended;
    clearTimeout(timer);
    if (how !== 0) throw new Error(`${command.join(' ')} ended with ${how}:\n${one.tail()}`);
    return one.output();
  }

  async stopAll(): Promise<void> {
    await Promise.all(this.#started.map((one) => one.stop()));
    this.#forget();
  }
}
