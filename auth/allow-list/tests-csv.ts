// Tests of an allow list as a CSV file, in the format of the MRA guide's allow-list tests file: a URL, a method, a
// deployment, and whether the list should let it through. Runs against a compiled list, changes nothing.
import { type AllowList, printRule } from './allow-list.ts';
import { type CsvFault, readCsvTable } from './csv-table.ts';
import { readMethods, readRuleUrl, RuleError, type RuleUrl } from './own-rule.ts';

export const testsHeading = ['Url', 'ExpectedResult', 'Deployment', 'Description', 'HttpMethod'] as const;

export interface ListTest extends RuleUrl {
  readonly line: number;
  readonly expected: 'allow' | 'block';
  readonly deployment: string;
  readonly description: string;
  readonly method: string;
}

export type TestsFile =
  | { readonly tests: readonly ListTest[]; readonly faults?: undefined }
  | { readonly faults: readonly CsvFault[] };

export interface TestOutcome {
  readonly test: ListTest;
  readonly passed: boolean;
  readonly actual: 'allow' | 'block';
  /** The rule that hit, or why none did. */
  readonly because: string;
}

/** Reads a whole tests file; a test without a deployment is of `defaultDeployment`. Never throws. */
export function readTestsCsv(text: string, defaultDeployment: string): TestsFile {
  const table = readCsvTable(text, testsHeading);
  if (table.faults !== undefined) return table;
  const faults: CsvFault[] = [];
  const tests: ListTest[] = [];
  for (const { line, fields } of table.rows) {
    try {
      tests.push(readTest(line, fields, defaultDeployment));
    } catch (error) {
      if (!(error instanceof RuleError)) throw error;
      faults.push({ line, text: error.message });
    }
  }
  return faults.length > 0 ? { faults } : { tests };
}

function readTest(line: number, fields: readonly string[], defaultDeployment: string): ListTest {
  const [url = '', result = '', deployment = '', description = '', methodText = ''] = fields;
  const expected = result.toLowerCase();
  if (expected !== 'allow' && expected !== 'block')
    throw new RuleError(`${JSON.stringify(result)} is no expected result; write allow or block`);
  const [method = 'GET', second] = readMethods(methodText, ['GET']);
  if (second !== undefined) throw new RuleError('a test tries one method');
  return {
    ...readRuleUrl(url),
    line,
    expected,
    deployment: deployment === '' ? defaultDeployment : deployment,
    description,
    method,
  };
}

export function runTests(list: AllowList, tests: readonly ListTest[]): TestOutcome[] {
  return tests.map((test) => {
    const listing = list.decide(test);
    const actual = listing.outcome === 'listed' ? 'allow' : 'block';
    const because = listing.outcome === 'listed' ? printRule(listing.rule) : listing.text;
    return { test, passed: actual === test.expected, actual, because };
  });
}
