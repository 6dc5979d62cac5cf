// The operator's rules as a CSV file, in the format of the MRA guide's allow-list rules file. All of it or none.
import { type CsvFault, readCsvTable } from './csv-table.ts';
import { readOwnRule, RuleError, type RuleDefaults } from './own-rule.ts';
import type { AllowRule } from './rule.ts';

export const rulesHeading = ['Url', 'Deployment', 'HttpMethods', 'MatchType', 'Description'] as const;

export type RulesFile =
  | { readonly rules: readonly AllowRule[]; readonly faults?: undefined }
  | { readonly faults: readonly CsvFault[] };

/** More than any deployment has; a list this long compiles in well under a second. */
const maxRules = 10_000;

/** Reads a whole rules file; a rule that names no match type is a prefix rule. Never throws. */
export function readRulesCsv(text: string, defaults: Omit<RuleDefaults, 'match'>): RulesFile {
  const table = readCsvTable(text, rulesHeading);
  if (table.faults !== undefined) return table;
  const faults: CsvFault[] = [];
  const rules: AllowRule[] = [];
  if (table.rows.length > maxRules)
    faults.push({ line: 1, text: `the file has more than ${maxRules} rules` });
  for (const { line, fields } of table.rows) {
    const [url = '', deployment = '', methods = '', match = '', description = ''] = fields;
    try {
      const written = { url, deployment, methods, match, description };
      rules.push(readOwnRule(written, { ...defaults, match: 'prefix' }));
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      faults.push({ line, text: error.message });
    }
  }
  return faults.length > 0 ? { faults } : { rules };
}

/** The deployments a rules file speaks of, for when there is no configuration to name them. */
export function deploymentsInCsv(text: string): string[] {
  const table = readCsvTable(text, rulesHeading);
  const named = table.faults === undefined ? table.rows.map(({ fields }) => fields[1] ?? '') : [];
  return [...new Set(named.filter((name) => name !== ''))];
}
