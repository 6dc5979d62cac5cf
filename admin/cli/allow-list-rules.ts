// `viaduct allowlist rules`, `upload`, `add`, `remove` and `try`: own rules of a running core, changed without a restart. All of a
// file or nothing: a broken line is named and nothing is changed.
import type { Command } from 'commander';
import { readAllowListFile } from '../../core/assembly/allow-list.ts';
import { adminOption, adminPage, askAdmin, plainText } from './ask-admin.ts';
import type { Terminal } from './main.ts';
import { printTree } from './status.ts';

const heading = 'CSV: Url,Deployment,HttpMethods,MatchType,Description';
const change = { 'X-Viaduct': 'rules', 'Content-Type': 'text/csv' };

/** Adds the commands that speak to a running core below `allowlist`. */
export function addRuleCommands(command: Command, terminal: Terminal): void {
  const send = async (page: URL, options: RequestInit): Promise<void> => {
    const response = await askAdmin(page, { ...options, headers: change });
    terminal.print(
      printTree(await response.json())
        .map(plainText)
        .join('\n'),
    );
  };
  command
    .command('rules')
    .description('every rule in force at a running core, and which of them can be changed here')
    .option('--csv', 'only those that can be changed, as a file to send back')
    .option(...adminOption)
    .action(async ({ url, csv }: { url: string; csv?: boolean }) => {
      const response = await askAdmin(adminPage(url, csv === true ? '/allow-list/rules' : '/allow-list'));
      const text =
        csv === true ? (await response.text()).trimEnd() : printTree(await response.json()).join('\n');
      terminal.print(text);
    });
  for (const [name, method, does] of [
    ['upload', 'PUT', 'make these the changeable rules of a running core, in place of all others'],
    ['add', 'POST', 'add these rules to a running core; the same URL again replaces its rule'],
  ] as const)
    command
      .command(name)
      .description(does)
      .argument('<file>', heading)
      .option(...adminOption)
      .action((file: string, { url }: { url: string }) =>
        send(adminPage(url, '/allow-list/rules'), { method, body: readAllowListFile(file) }),
      );
  command
    .command('remove')
    .description('take a changeable rule out of a running core')
    .argument('<rule>', 'its URL with port, as listed')
    .option('--deployment <name>', 'in this deployment only')
    .option(...adminOption)
    .action((rule: string, { url, deployment }: { url: string; deployment?: string }) => {
      const page = adminPage(url, '/allow-list/rules');
      page.searchParams.set('url', rule);
      if (deployment !== undefined) page.searchParams.set('deployment', deployment);
      return send(page, { method: 'DELETE' });
    });
  command
    .command('try')
    .description('try a CSV of tests against the rules in force at a running core, discovered nodes included')
    .argument('<tests>', 'CSV: Url,ExpectedResult,Deployment,Description,HttpMethod')
    .option(...adminOption)
    .action(async (tests: string, { url }: { url: string }) => {
      const body = readAllowListFile(tests);
      const page = adminPage(url, '/allow-list/test');
      const result = (await (await askAdmin(page, { method: 'POST', headers: change, body })).json()) as {
        failed?: number;
      };
      terminal.print(printTree(result).map(plainText).join('\n'));
      if (result.failed !== 0) terminal.fail(1);
    });
}
