import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';
import { afterAll, expect, test } from 'vitest';
import { addAllowListCommands } from './allow-list.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'viaduct-allowlist-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const rules = 'Url,Deployment,HttpMethods,MatchType,Description\nhttps://photos/faces/,,GET,prefix,faces\n';
const tests = 'Url,ExpectedResult,Deployment,Description,HttpMethod\n';

function run(...words: string[]): { said: string; code: number } {
  const said: string[] = [];
  let code = 0;
  const print = (text: string): void => void said.push(text);
  const program = new Command().exitOverride();
  addAllowListCommands(program, {
    print,
    complain: print,
    fail: (wanted) => (code = Math.max(code, wanted)),
  });
  program.parse(['node', 'viaduct', 'allowlist', ...words]);
  return { said: said.join('\n'), code };
}

function tryTests(rulesText: string, testsText: string): ReturnType<typeof run> {
  const [r, t] = [path.join(folder, 'rules.csv'), path.join(folder, 'tests.csv')];
  writeFileSync(r, rulesText);
  writeFileSync(t, testsText);
  return run('test', r, t);
}

test.each([
  [
    'as expected',
    'https://photos/faces/a.jpg,allow,,,\nhttps://photos/other,block,,,\n',
    0,
    '2 passed, 0 failed',
  ],
  [
    'method refused',
    'https://photos/faces/a,allow,,,PUT\n',
    1,
    'PUT is none of the methods of https://photos',
  ],
  [
    'nearest rule named',
    'https://photos/face,allow,,,\n',
    1,
    'the nearest rule is https://photos:443/faces/ prefix',
  ],
])('%s', (_name, lines, code, words) => {
  const outcome = tryTests(rules, tests + lines);
  expect(outcome.code).toBe(code);
  expect(outcome.said).toContain(words);
});

test('broken lines of both files are named and nothing is tried', () => {
  expect(() => tryTests(`${rules}x,,,,\n`, `${tests}y,allow,,,\n`)).toThrow(
    /rules\.csv:3: .*\n.*tests\.csv:2: /,
  );
});

test('show prints the built-in rules', () => {
  expect(run('show').said).toContain('https://<unified-cm>:8443/cucm-uds/version exact GET');
});
