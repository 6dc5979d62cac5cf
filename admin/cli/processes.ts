// `viaduct edge`, `viaduct core`, `viaduct lab`: the commands that stay. A process ends on SIGINT or SIGTERM, in order:
// stop taking new work, tell the peers, close.
import type { Command } from 'commander';
import { loadCore, loadEdge } from '../../config/index.ts';
import type { Terminal } from './main.ts';

interface Running {
  close(reason: string): Promise<void>;
}

/** Longest orderly shutdown; after it the process ends anyway. */
const SHUTDOWN_MS = 5_000;

async function untilStopped(running: Running, terminal: Terminal): Promise<void> {
  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => resolve(name));
  });
  const late = setTimeout(() => {
    terminal.complain('viaduct: did not close in time');
    process.exit(1);
  }, SHUTDOWN_MS);
  late.unref();
  await running.close(`stopped by ${signal}`);
  clearTimeout(late);
}

/** Adds the commands that run a process. */
export function addProcessCommands(program: Command, terminal: Terminal): void {
  program
    .command('edge')
    .description('run an edge: the process in the DMZ')
    .argument('<file>', 'its configuration')
    .action(async (file: string) => {
      const config = loadEdge(file);
      const { startEdge } = await import('../../edge/edge.ts');
      await untilStopped(await startEdge(config), terminal);
    });
  program
    .command('core')
    .description('run a core: the process inside, which dials the edge')
    .argument('<file>', 'its configuration')
    .action(async (file: string) => {
      const config = loadCore(file);
      const { startCore } = await import('../../core/core.ts');
      await untilStopped(await startCore(config), terminal);
    });
  program
    .command('lab')
    .description('run edge, core and an embedded enterprise on loopback and prove that they work together')
    .option('--once', 'leave after the proof; exit code 0 only if every step passed')
    .action(async (options: { once?: boolean }) => {
      const { runLab } = await import('../../lab/main.ts');
      terminal.fail(await runLab({ once: options.once === true }));
    });
}
