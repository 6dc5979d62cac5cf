import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { ownRules, webNodes } from './allow-list.ts';

const cluster = (deployment: string) =>
  ({ deployment }) as Parameters<typeof ownRules>[0]['unifiedCm'][number];
const unifiedCm = [cluster('a'), cluster('a'), cluster('b')];
const rule = {
  url: 'https://photos/p/',
  match: 'prefix',
  methods: [],
  deployment: 'a',
  description: '',
} as const;
let folder: string | undefined;

afterEach(() => folder !== undefined && rmSync(folder, { recursive: true, force: true }));

function configOf(csv: string | undefined, ...rules: (typeof rule | (typeof rule & object))[]) {
  folder = mkdtempSync(path.join(tmpdir(), 'viaduct-rules-'));
  const file = path.join(folder, 'rules.csv');
  if (csv !== undefined) writeFileSync(file, csv);
  const httpAllowList = { defaultMethods: ['GET' as const], rules, ...(csv === undefined ? {} : { file }) };
  return { unifiedCm, httpAllowList };
}

const heading = 'Url,Deployment,HttpMethods,MatchType,Description\n';

test('rules of the file and of the CSV together; each host is a node of its deployment', () => {
  const config = configOf(`${heading}http://update/x,b,,,\nhttps://photos:444/,a,,,\n`, rule);
  const rules = ownRules(config);
  expect(rules.map(({ path: where, methods }) => [where, ...methods])).toEqual([
    ['/p/', 'GET'],
    ['/x', 'GET'],
    ['/', 'GET'],
  ]);
  expect([0, 1, 2].map((index) => webNodes(config, rules, index).map(({ name }) => name))).toEqual([
    ['photos'],
    [],
    ['update'],
  ]);
});

test('every mistake is named with its place', () => {
  const config = configOf(`${heading}http://update/x,c,,,\n`, rule, {
    ...rule,
    url: 'photos' as typeof rule.url,
  });
  expect(() => ownRules(config)).toThrow(
    /^http-allow-list\.rules\[1\]: "photos" is no URL[^\n]*\n.*rules\.csv:2: "c" is no deployment/,
  );
});

test('a file that is not there', () => {
  const config = configOf(undefined);
  const named = { ...config, httpAllowList: { ...config.httpAllowList, file: '/nowhere/rules.csv' } };
  expect(() => ownRules(named)).toThrow('/nowhere/rules.csv cannot be read: ENOENT');
});
