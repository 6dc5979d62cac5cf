// From core's configuration, and the CSV file it names, to the operator's own rules. All of them or an error that names
// every broken line: an allow list that is half there would open or close something nobody decided.
import { readFileSync, statSync } from 'node:fs';
import {
  type AllowRule,
  type CsvFault,
  readOwnRule,
  readRulesCsv,
  RuleError,
  ruleHosts,
} from '../../auth/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import type { StaticNode } from '../unified-cm/index.ts';

const maxFileBytes = 8 * 1024 * 1024;

/** Thrown when own rules cannot be used; the message has one line per mistake. */
export class AllowListError extends Error {
  constructor(lines: readonly string[]) {
    super(lines.join('\n'));
    this.name = 'AllowListError';
  }
}

/** The rules written in the file and those of the CSV. Throws {@link AllowListError}. */
export function ownRules(config: Pick<CoreConfig, 'httpAllowList' | 'unifiedCm'>): readonly AllowRule[] {
  const { httpAllowList: section } = config;
  const deployments = deploymentsOf(config);
  const mistakes: string[] = [];
  const rules: AllowRule[] = [];
  for (const [index, { url, match, methods, deployment, description }] of section.rules.entries()) {
    try {
      const written = { url, match, methods: methods.join(), deployment, description };
      rules.push(readOwnRule(written, { deployments, methods: section.defaultMethods, match: 'exact' }));
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      mistakes.push(`http-allow-list.rules[${index}]: ${error.message}`);
    }
  }
  if (section.file !== undefined) {
    const read = readRulesCsv(readAllowListFile(section.file), {
      deployments,
      methods: section.defaultMethods,
    });
    if (read.faults === undefined) rules.push(...read.rules);
    else mistakes.push(printFaults(section.file, read.faults));
  }
  if (mistakes.length > 0) throw new AllowListError(mistakes);
  return rules;
}

/** Deployments that have a cluster. */
export function deploymentsOf({ unifiedCm }: Pick<CoreConfig, 'unifiedCm'>): readonly string[] {
  return [...new Set(unifiedCm.map(({ deployment }) => deployment))];
}

/** The text of a rules or tests file. Throws {@link AllowListError}. */
export function readAllowListFile(file: string): string {
  try {
    if (statSync(file).size > maxFileBytes) throw new AllowListError([`${file} is larger than 8 MiB`]);
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof AllowListError) throw error;
    throw new AllowListError([
      `${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? String(error)}`,
    ]);
  }
}

/** One line per fault, as compilers write them. */
export function printFaults(file: string, faults: readonly CsvFault[]): string {
  return faults.map(({ line, text }) => `${file}:${line}: ${text}`).join('\n');
}

/** Hosts of own rules as nodes of the deployment's first cluster, whose authorities sign their certificates. */
export function webNodes(
  config: Pick<CoreConfig, 'unifiedCm'>,
  rules: readonly AllowRule[],
  index: number,
): StaticNode[] {
  const deployment = config.unifiedCm[index]?.deployment;
  const first = config.unifiedCm.findIndex((cluster) => cluster.deployment === deployment);
  if (deployment === undefined || first !== index) return [];
  return ruleHosts(rules, deployment).map((name) => ({ name, kind: 'web' }));
}
