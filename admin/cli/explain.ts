// `viaduct explain QUESTION`: why something was refused, or would be, step by step, with what to change. A tracking id from a
// log, a URL, `user:ID`, `device:NAME` or `token` (read from standard input, never from the command line, which others can
// see) is put to a running core; a URL with --config to its file alone, without asking anybody.
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError } from 'commander';
import { loadCore } from '../../config/index.ts';
import { explainUrl, type Step } from '../../core/assembly/explain-url.ts';
import { configuredList } from './allow-list.ts';
import { adminOption, adminPage, askAdmin, plainText } from './ask-admin.ts';
import type { Terminal } from './main.ts';
import { printTree } from './status.ts';

interface Choices {
  readonly config?: string;
  readonly url: string;
  readonly method: string;
  readonly user?: string;
  readonly domain?: string;
  readonly address?: string;
}

interface Explanation {
  readonly steps: readonly Step[];
  readonly [more: string]: unknown;
}

/** Adds `explain`. */
export function addExplainCommand(program: Command, terminal: Terminal): void {
  program
    .command('explain')
    .description('why a request, URL, user, device or token is let in or refused, step by step')
    .argument(
      '<question>',
      'a tracking id of the log, a URL (as sent to the edge or as inside), user:ID, device:NAME or token',
    )
    .option('--config <file>', 'core file: explain a URL from it alone, without a running core')
    .option(...adminOption)
    .option('--method <method>', 'HTTP method', 'GET')
    .option('--user <id>', 'who asks for the URL')
    .option('--address <address>', 'from where')
    .option('--domain <domain>', 'domain of the user, or of a URL inside; default: the first of the file')
    .action(async (question: string, choices: Choices) => {
      const explanation =
        choices.config === undefined
          ? await askCore(question, choices)
          : { steps: explainOffline(choices.config, question, choices) };
      show(explanation, terminal);
    });
}

function explainOffline(file: string, question: string, choices: Choices): Step[] {
  const config = loadCore(file);
  return explainUrl(config, configuredList(config), question, choices);
}

async function askCore(question: string, choices: Choices): Promise<Explanation> {
  if (question === 'token') {
    const page = adminPage(choices.url, '/explain/token');
    const options = { method: 'POST', headers: { 'X-Viaduct': 'explain' }, body: readFileSync(0, 'utf8') };
    return (await (await askAdmin(page, options)).json()) as Explanation;
  }
  const page = adminPage(choices.url, '/explain');
  for (const [name, value] of asked(question, choices)) page.searchParams.set(name, value);
  return (await (await askAdmin(page)).json()) as Explanation;
}

/** The question as the listener takes it. */
export function asked(question: string, choices: Omit<Choices, 'url' | 'config'>): [string, string][] {
  const { method, user, domain, address } = choices;
  const more = Object.entries({ domain, address }).filter(
    (entry): entry is [string, string] => entry[1] !== undefined,
  );
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(question))
    return [['trackingId', question.toLowerCase()]];
  const [, kind, whose] = /^(user|device):(.+)$/.exec(question) ?? [];
  if (kind !== undefined && whose !== undefined) return [[kind, whose], ...more];
  if (/^https?:\/\//i.test(question))
    return [
      ['url', question],
      ['method', method],
      ...(user === undefined ? [] : [['user', user] as [string, string]]),
      ...more,
    ];
  throw new InvalidArgumentError('must be a tracking id, a URL, user:ID, device:NAME or token.');
}

function show({ steps, ...more }: Explanation, terminal: Terminal): void {
  for (const [good, text] of steps) terminal.print(`${good ? '  yes ' : '  NO  '} ${plainText(text)}`);
  const facts = Object.entries(more).filter(([, value]) => !Array.isArray(value) || value.length > 0);
  for (const line of printTree(Object.fromEntries(facts))) terminal.print(plainText(line));
  const refused = steps.some(([good]) => !good);
  terminal.print(refused ? 'something stands in the way' : 'nothing stands in the way');
  if (refused) terminal.fail(1);
}
