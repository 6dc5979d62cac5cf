// `viaduct bans` and `viaduct bans unblock ID`: whom intrusion protection of a running process keeps out.
import type { Command } from 'commander';
import type { Terminal } from './main.ts';
import { printTree } from './status.ts';

/** Adds `bans list` and `bans unblock`. */
export function addBanCommands(program: Command, terminal: Terminal): void {
  const command = program.command('bans').description('whom intrusion protection keeps out');
  command
    .command('list', { isDefault: true })
    .description('counters of each category, who is kept out and until when, and the last to have been')
    .option('--url <url>', 'admin listener of the edge or core', 'http://127.0.0.1:8090/')
    .action(async ({ url }: { url: string }) => {
      const response = await ask(new URL('/status', parse(url)), {});
      const { intrusion } = (await response.json()) as { intrusion?: unknown };
      terminal.print(printTree(intrusion ?? 'this process has no intrusion protection').join('\n'));
    });
  command
    .command('unblock')
    .description('let somebody in again; at a core also on its edges')
    .argument('<id>', 'as listed, such as address:192.0.2.1')
    .option('--url <url>', 'admin listener of the edge or core', 'http://127.0.0.1:8090/')
    .action(async (id: string, { url }: { url: string }) => {
      const target = new URL('/bans/unblock', parse(url));
      target.searchParams.set('id', id);
      const response = await ask(target, { method: 'POST', headers: { 'X-Viaduct': 'unblock' } });
      const words = (await response.text()).trim();
      if (response.ok) return terminal.print(words);
      throw new Error(words);
    });
}

function parse(url: string): URL {
  if (!URL.canParse(url)) throw new Error(`${url} is no URL, such as http://127.0.0.1:8090/`);
  return new URL(url);
}

async function ask(url: URL, options: RequestInit): Promise<Response> {
  return fetch(url, options).catch((cause: unknown) => {
    const hint = 'is the process running, and is this its admin address?';
    throw new Error(`nothing answers at ${url.origin}: ${hint}`, { cause });
  });
}
