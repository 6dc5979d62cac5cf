// `viaduct bans`, `viaduct bans history` and `viaduct bans unblock ID`: whom intrusion protection of a running process keeps out.
import type { Command } from 'commander';
import { adminOption, adminPage, askAdmin, plainText } from './ask-admin.ts';
import type { Terminal } from './main.ts';
import { printTree } from './status.ts';

/** Adds `bans list`, `bans history` and `bans unblock`. */
export function addBanCommands(program: Command, terminal: Terminal): void {
  const command = program.command('bans').description('whom intrusion protection keeps out');
  const show = (value: unknown): void => terminal.print(printTree(value).map(plainText).join('\n'));
  command
    .command('list', { isDefault: true })
    .description('counters of each category, who is kept out and until when, and the last to have been')
    .option(...adminOption)
    .action(async ({ url }: { url: string }) => {
      const response = await askAdmin(adminPage(url, '/status'));
      const { intrusion } = (await response.json()) as { intrusion?: unknown };
      show(intrusion ?? 'this process has no intrusion protection');
    });
  command
    .command('history')
    .description('who was kept out and why it ended: by time, by an operator, for want of space')
    .option(...adminOption)
    .action(async ({ url }: { url: string }) => {
      const { history } = (await (await askAdmin(adminPage(url, '/bans'))).json()) as { history: History[] };
      show(history.length === 0 ? 'nobody' : history.map(printEnded));
    });
  command
    .command('unblock')
    .description('let somebody in again; at a core also on its edges')
    .argument('<id>', 'as listed, such as address:192.0.2.1')
    .option(...adminOption)
    .action(async (id: string, { url }: { url: string }) => {
      const target = adminPage(url, '/bans/unblock');
      target.searchParams.set('id', id);
      const response = await askAdmin(target, { method: 'POST', headers: { 'X-Viaduct': 'unblock' } });
      terminal.print((await response.text()).trim());
    });
}

interface History {
  readonly ban: {
    readonly id: string;
    readonly category: string;
    readonly failures: number;
    readonly since: number;
  };
  readonly endedAt: number;
  readonly by: string;
}

function printEnded({ ban, endedAt, by }: History): object {
  const time = (at: number): string => new Date(at).toISOString();
  return {
    id: ban.id,
    category: ban.category,
    failures: ban.failures,
    since: time(ban.since),
    ended: time(endedAt),
    by,
  };
}
