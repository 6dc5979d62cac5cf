// `viaduct status`: what a running process says of itself, from its admin listener.
import type { Command } from 'commander';
import type { Terminal } from './main.ts';

/** Prints plain data as indented `name: value` lines. */
export function printTree(value: unknown, indent = ''): string[] {
  if (typeof value !== 'object' || value === null) return [`${indent}${String(value)}`];
  return Object.entries(value).flatMap(([name, item]) => {
    const label = Array.isArray(value) ? '-' : `${name}:`;
    if (typeof item !== 'object' || item === null) return [`${indent}${label} ${String(item)}`];
    const inner = printTree(item, `${indent}  `);
    return inner.length === 0 ? [`${indent}${label} none`] : [`${indent}${label}`, ...inner];
  });
}

/** Adds `status`. */
export function addStatusCommand(program: Command, terminal: Terminal): void {
  program
    .command('status')
    .description('show links, registrations and calls of a running edge or core on this machine')
    .option('--url <url>', 'its admin listener', 'http://127.0.0.1:8090/')
    .option('--json', 'as JSON')
    .action(async (options: { url: string; json?: boolean }) => {
      if (!URL.canParse(options.url))
        throw new Error(`${options.url} is no URL, such as http://127.0.0.1:8090/`);
      const response = await fetch(new URL('/status', options.url)).catch((cause: unknown) => {
        throw new Error(
          `nothing answers at ${options.url}: is the process running, and is this its admin address?`,
          { cause },
        );
      });
      const status: unknown = await response.json();
      terminal.print(
        options.json === true ? JSON.stringify(status, undefined, 2) : printTree(status).join('\n'),
      );
    });
}
