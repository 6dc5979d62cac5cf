// `viaduct tokens`: the simple tokens that a running core has issued after single sign-on.
import type { Command } from 'commander';
import type { Terminal } from './main.ts';
import { printTree } from './status.ts';

const urlOption = ['--url <url>', 'admin listener of the core', 'http://127.0.0.1:8090/'] as const;

/** Adds `tokens list` and `tokens revoke`. */
export function addTokenCommands(program: Command, terminal: Terminal): void {
  const command = program.command('tokens').description('simple tokens issued after single sign-on');
  command
    .command('list', { isDefault: true })
    .description('whose they are, for which device, since when and until when')
    .option('--user <user>', 'of this user only')
    .option(...urlOption)
    .action(async ({ url, user }: { url: string; user?: string }) => {
      const target = new URL('/tokens', parse(url));
      if (user !== undefined) target.searchParams.set('user', user);
      const response = await ask(target, {});
      const tokens = (await response.json()) as unknown[];
      terminal.print(tokens.length === 0 ? 'none' : printTree(tokens).join('\n'));
    });
  command
    .command('revoke')
    .description('end everything of a user, sessions included, or one token')
    .argument('[user]', 'the user')
    .option('--id <id>', 'one token, as listed')
    .option(...urlOption)
    .action(async (user: string | undefined, { url, id }: { url: string; id?: string }) => {
      const target = new URL('/tokens/revoke', parse(url));
      if (user !== undefined) target.searchParams.set('user', user);
      if (id !== undefined) target.searchParams.set('id', id);
      const response = await ask(target, { method: 'POST', headers: { 'X-Viaduct': 'revoke' } });
      terminal.print((await response.text()).trim());
    });
}

function parse(url: string): URL {
  if (!URL.canParse(url)) throw new Error(`${url} is no URL, such as http://127.0.0.1:8090/`);
  return new URL(url);
}

async function ask(url: URL, options: RequestInit): Promise<Response> {
  const response = await fetch(url, options).catch((cause: unknown) => {
    throw new Error(`nothing answers at ${url.origin}: is the core running, and is this its admin address?`, {
      cause,
    });
  });
  if (!response.ok) throw new Error((await response.text()).trim());
  return response;
}
