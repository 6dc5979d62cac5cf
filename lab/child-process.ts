// One process of the lab: started as an operator would start it, its output kept in a file, ended with the lab
// however the lab ends. Where Linux offers it (setpriv of util-linux) the kernel itself ends the child when
// the lab is killed outright; otherwise the lab's own exit handlers must do.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs';

export interface ChildOptions {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  /** File that receives standard output and error. */
  readonly logFile: string;
  /** After SIGTERM, how long until SIGKILL. */
  readonly graceMs: number;
}

export interface LabChild {
  readonly name: string;
  readonly pid: number;
  /** Undefined while it runs, then in words how it ended. */
  ended(): string | undefined;
  /** Last lines of its output, to explain a failure. */
  tail(lines: number): string[];
  stop(): Promise<void>;
  /** Ends it at once; for exit handlers, which cannot wait. */
  kill(): void;
}

const setpriv = '/usr/bin/setpriv';

/** Starts the process. Throws when it cannot be started at all. */
export function startChild(options: ChildOptions): LabChild {
  const output = openSync(options.logFile, 'a');
  const [program, ...args] = underDeathSignal(options.command);
  const child = spawn(program, args, { stdio: ['ignore', output, output] });
  closeSync(output);
  let ending: string | undefined;
  child.on('error', (error) => (ending = `could not be started: ${error.message}`));
  child.on(
    'exit',
    (code, signal) => (ending = signal === null ? `ended with code ${code}` : `ended by ${signal}`),
  );
  return {
    name: options.name,
    pid: child.pid ?? 0,
    ended: () => ending,
    tail: (lines) => readFileSync(options.logFile, 'utf8').trimEnd().split('\n').slice(-lines),
    stop: () => stop(child, options.graceMs),
    kill: () => void child.kill('SIGKILL'),
  };
}

function underDeathSignal(command: readonly [string, ...string[]]): [string, ...string[]] {
  const supported = process.platform === 'linux' && existsSync(setpriv);
  return supported ? [setpriv, '--pdeathsig', 'TERM', ...command] : [...command];
}

async function stop(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await exited;
  clearTimeout(timer);
}
