// `viaduct allowlist show [FILE]` and `viaduct allowlist test RULES TESTS`: what the HTTP allow list lets through, before
// any client tries. The same readers and the same decision as in core; nothing is started or changed.
import type { Command } from 'commander';
import {
  type AllowList,
  type AllowRule,
  builtInRules,
  compileAllowList,
  deploymentsInCsv,
  type ListedNode,
  nodesOfRules,
  printRule,
  readRulesCsv,
  readTestsCsv,
  runTests,
  type TestOutcome,
} from '../../auth/index.ts';
import { type CoreConfig, loadCore } from '../../config/index.ts';
import {
  AllowListError,
  deploymentsOf,
  ownRules,
  printFaults,
  readAllowListFile,
} from '../../core/assembly/allow-list.ts';
import { clusterOptions } from '../../core/assembly/clusters.ts';
import { addRuleCommands } from './allow-list-rules.ts';
import type { Terminal } from './main.ts';

const usualPorts = { web: 8443, files: 6970, filesTls: 6972, headset: 6971, unity: [443, 8443] };
const usualMethods = ['OPTIONS', 'GET', 'HEAD'];

interface Choices {
  readonly config?: string;
  readonly deployment?: string;
}

/** Adds `allowlist show` and `allowlist test`. */
export function addAllowListCommands(program: Command, terminal: Terminal): void {
  const command = program
    .command('allowlist')
    .description('the HTTP allow list: what clients may ask for inside');
  command
    .command('show')
    .description('print the built-in rules, which cannot be edited, and the own rules of a core file')
    .argument('[file]', 'core file')
    .action((file: string | undefined) => show(file, terminal));
  command
    .command('test')
    .description('try a CSV of tests against a CSV of rules; fails if one result is not as expected')
    .argument('<rules>', 'CSV: Url,Deployment,HttpMethods,MatchType,Description')
    .argument('<tests>', 'CSV: Url,ExpectedResult,Deployment,Description,HttpMethod')
    .option(
      '--config <file>',
      'core file: its deployments, default methods, own and built-in rules count too',
    )
    .option('--deployment <name>', 'deployment of tests that name none')
    .action((rules: string, tests: string, choices: Choices) => tryOut(rules, tests, choices, terminal));
  addRuleCommands(command, terminal);
}

function show(file: string | undefined, terminal: Terminal): void {
  const config = file === undefined ? undefined : loadCore(file);
  terminal.print('Automatic inbound rules (read-only)');
  const builtIn =
    config === undefined
      ? builtInRules('cluster', 'default', usualPorts)
      : clusterOptions(config).flatMap(({ name, deployment, ports }) =>
          builtInRules(name, deployment, ports),
        );
  for (const rule of builtIn) terminal.print(`  ${printLine(rule)}`);
  terminal.print('Automatic outbound rules (read-only)');
  terminal.print('  core asks discovered Unified CM nodes for /cucm-uds/ of their cluster and users: GET');
  if (config === undefined) return;
  const own = ownRules(config);
  terminal.print(own.length === 0 ? 'No own rules' : 'Own rules');
  for (const rule of own) terminal.print(`  ${printLine(rule)}`);
}

function printLine(rule: AllowRule): string {
  const shape = rule.shape === undefined ? '' : ' (file names of known kinds)';
  return `${printRule(rule)}${shape}  [${rule.deployment ?? 'every deployment'}] ${rule.type}`;
}

function tryOut(rulesFile: string, testsFile: string, choices: Choices, terminal: Terminal): void {
  const config = choices.config === undefined ? undefined : loadCore(choices.config);
  const text = readAllowListFile(rulesFile);
  const deployments = config === undefined ? known(deploymentsInCsv(text), choices) : deploymentsOf(config);
  const methods = config?.httpAllowList.defaultMethods ?? usualMethods;
  const rules = readRulesCsv(text, { deployments, methods });
  const [first = 'default'] = deployments;
  const tests = readTestsCsv(readAllowListFile(testsFile), choices.deployment ?? first);
  if (rules.faults !== undefined || tests.faults !== undefined) {
    const mistakes = [printFaults(rulesFile, rules.faults ?? []), printFaults(testsFile, tests.faults ?? [])];
    throw new AllowListError(mistakes.filter((lines) => lines !== ''));
  }
  const all = [...rules.rules, ...configured(config)];
  const list = compileAllowList(all, [...configuredNodes(config), ...nodesOfRules(all, deployments)]);
  report(runTests(list, tests.tests), testsFile, terminal);
}

/** Without a core file the deployments are those that the rules name; one of them is the default. */
function known(named: readonly string[], { deployment }: Choices): readonly string[] {
  return [...new Set([deployment ?? 'default', ...named])];
}

/** The allow list of a core file, with the nodes that it names: what discovery finds besides is not known here. */
export function configuredList(config: CoreConfig): AllowList {
  const rules = configured(config);
  return compileAllowList(rules, [...configuredNodes(config), ...nodesOfRules(rules, deploymentsOf(config))]);
}

function configured(config: CoreConfig | undefined): readonly AllowRule[] {
  if (config === undefined) return [];
  const builtIn = clusterOptions(config).flatMap(({ name, deployment, ports }) =>
    builtInRules(name, deployment, ports),
  );
  return [...ownRules(config), ...builtIn];
}

/** Nodes that are known without asking anybody: publishers, TFTP servers and static nodes. */
function configuredNodes(config: CoreConfig | undefined): readonly ListedNode[] {
  const clusters = config === undefined ? [] : clusterOptions(config);
  return clusters.flatMap(({ name: cluster, deployment, publisher, tftp, staticNodes }) => {
    const of = (name: string, kinds: ListedNode['kinds']): ListedNode => {
      const folded = name.toLowerCase();
      return { name: folded, aliases: [folded], kinds, cluster, deployment };
    };
    const files = tftp.length === 0 ? [publisher] : tftp;
    return [
      of(publisher, files.includes(publisher) ? ['unified-cm', 'tftp'] : ['unified-cm']),
      ...files.filter((name) => name !== publisher).map((name) => of(name, ['tftp'])),
      ...staticNodes.map(({ name, kind }) => of(name, [kind])),
    ];
  });
}

function report(outcomes: readonly TestOutcome[], file: string, terminal: Terminal): void {
  for (const { test, passed, actual, because } of outcomes) {
    const url = `${test.protocol}://${test.host}:${test.port}${test.path}`;
    const line = `${file}:${test.line}: ${test.method} ${url} [${test.deployment}]: ${actual}, ${because}`;
    if (passed) terminal.print(`pass  ${line}`);
    else terminal.print(`FAIL  ${line}; expected ${test.expected}`);
  }
  const failed = outcomes.filter(({ passed }) => !passed).length;
  terminal.print(`${outcomes.length - failed} passed, ${failed} failed`);
  if (failed > 0) terminal.fail(1);
}
