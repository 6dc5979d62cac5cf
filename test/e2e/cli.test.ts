// The command line as an operator meets it: exit codes, what is printed where, what is written and what never is.
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { resolveZone, zoneFileSchema } from '../../zones/zone-file.ts';
import { parse } from 'yaml';
import { ProcessKeeper } from '../topology/process-keeper.ts';
import { makeRunFolder, type RunFolder } from '../topology/run-folder.ts';
import { type Company, foundCompany } from './company.ts';
import { LAUNCHER } from './viaduct-process.ts';

interface Outcome {
  readonly code: number | string;
  readonly said: string;
  readonly complained: string;
}

const EXAMPLES = fileURLToPath(new URL('../../config/', import.meta.url));
const PAIR = ['--edge', 'edge.example.com=10.0.1.10', '--core', 'core.inside.example.com'];

let run: RunFolder;
let keeper: ProcessKeeper;
let folder = '';
let runs = 0;

beforeAll(() => {
  run = makeRunFolder('e2e-cli');
  keeper = new ProcessKeeper(run.path);
});
beforeEach(() => {
  folder = path.join(run.path, `case-${(runs += 1)}`);
  mkdirSync(folder);
});
afterAll(async () => {
  await keeper.stopAll();
  run.remove();
});

async function viaduct(...words: readonly string[]): Promise<Outcome> {
  const started = keeper.start([process.execPath, LAUNCHER, ...words], {
    name: 'viaduct',
    cwd: folder,
    splitOutput: true,
  });
  const code = await started.ended;
  return { code, said: started.output(), complained: started.errorOutput() };
}

const modes = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder).map((name) => [name, (statSync(path.join(folder, name)).mode & 0o777).toString(8)]),
  );
const read = (name: string): string => readFileSync(path.join(folder, name), 'utf8');

describe('check', () => {
  test('the examples complain of nothing but files that do not exist here', async () => {
    const files = ['edge', 'core', 'zone'].map((kind) => path.join(EXAMPLES, `${kind}.example.yaml`));
    const { code, said, complained } = await viaduct('check', ...files);
    expect({ code, said }).toEqual({ code: 1, said: '' });
    const mistakes = complained.split('\n').filter((line) => /\.yaml:\d+:\d+: /.test(line));
    expect(mistakes.length).toBeGreaterThan(3);
    for (const line of mistakes)
      expect(line).toMatch(/\.yaml:\d+:\d+: [a-z.[\]0-9-]+: \/etc\/viaduct\/\S+ cannot be read: ENOENT$/);
    expect(complained.trimEnd()).toMatch(new RegExp(`\\n${mistakes.length} mistakes$`));
  });

  test('every mistake has file, line and column, path, what is allowed and what to do', async () => {
    const file = path.join(folder, 'edge.yaml');
    writeFileSync(
      file,
      'edge: { name: edge.example.com }\nzones: []\nhttps: { port: 99999, idle-timout: 3 }\n',
    );
    const { code, complained } = await viaduct('check', file);
    expect(code).toBe(1);
    expect(complained).toContain(`${file}:3:16: https.port: `);
    expect(complained).toMatch(
      /edge\.yaml:3:\d+: https\.idle-timout: .*\n(?:.*\n)?.*did you mean.*idle-timeout|idle-timeout/,
    );
    expect(complained).toMatch(/\n {4}allowed: /);
    expect(complained).toMatch(/\n {4}do: /);
  });

  test('a good zone file is said to be good', async () => {
    await viaduct('pair', ...PAIR);
    const { code, said, complained } = await viaduct('check', 'edge.example.com.zone.yaml');
    expect({ code, complained }).toEqual({ code: 0, complained: '' });
    expect(said).toBe('edge.example.com.zone.yaml: a valid zone configuration\n');
  });

  test('a zone file that others may read is refused', async () => {
    await viaduct('pair', ...PAIR);
    chmodSync(path.join(folder, 'edge.example.com.zone.yaml'), 0o644);
    const { code, complained } = await viaduct('check', 'edge.example.com.zone.yaml');
    expect(code).toBe(1);
    expect(complained).toContain('do: chmod 600');
  });
});

describe('pair', () => {
  test('writes one file for each peer and the authority, for their owner only', async () => {
    const { code, said } = await viaduct('pair', ...PAIR);
    expect(code).toBe(0);
    expect(modes()).toEqual({
      'core.inside.example.com.zone.yaml': '600',
      'edge.example.com.zone.yaml': '600',
      'inside.authority.pem': '600',
    });
    expect(said).not.toContain('PRIVATE');
  });

  test('overwrites nothing, and writes nothing beside what is there', async () => {
    writeFileSync(path.join(folder, 'inside.authority.pem'), 'the only copy');
    const { code, complained } = await viaduct('pair', ...PAIR);
    expect(code).toBe(1);
    expect(complained).toContain('inside.authority.pem exists and is not overwritten');
    expect(readdirSync(folder)).toEqual(['inside.authority.pem']);
    expect(read('inside.authority.pem')).toBe('the only copy');
  });

  test.each([
    ['an edge without address', ['--edge', 'edge.example.com', '--core', 'core'], 2, /must be NAME=ADDRESS/],
    ['no core', ['--edge', 'edge.example.com=10.0.1.10'], 2, /--core/],
    ['days that are none', [...PAIR, '--days', '0'], 2, /must be a whole number above 0/],
    [
      'a bad name',
      ['--edge', 'edge=10.0.1.10', '--core', 'b ad'],
      1,
      /nothing was made\n {2}cores\.0\.name: a host name/,
    ],
    ['a bad address', ['--edge', 'edge=10.0.1', '--core', 'core'], 1, /edges\.0\.address: an IP address/],
  ])('%s', async (_name, words, wanted, complaint) => {
    const { code, complained } = await viaduct('pair', ...words);
    expect(code).toBe(wanted);
    expect(complained).toMatch(complaint);
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('renew', () => {
  const renew = (...words: readonly string[]) => viaduct('renew', 'edge.example.com.zone.yaml', ...words);

  test('writes a new certificate, for the owner only, that fits the zone', async () => {
    await viaduct('pair', ...PAIR);
    const { code, said } = await renew('--authority', 'inside.authority.pem', '--days', '30');
    expect(code).toBe(0);
    expect(said).toContain('identity: file:identity.pem');
    expect(modes()['identity.pem']).toBe('600');
    const zone = resolveZone(
      zoneFileSchema.parse(parse(read('edge.example.com.zone.yaml'))),
      read('identity.pem'),
    );
    expect(zone.self).toEqual({ role: 'edge', name: 'edge.example.com' });
    expect(read('edge.example.com.zone.yaml')).not.toContain(read('identity.pem').split('\n')[3]);
  });

  test.each([
    ['an authority that is none', 'edge.example.com.zone.yaml', /authority/],
    ['an authority that is not there', 'nowhere.pem', /nowhere\.pem/],
  ])('%s', async (_name, authority, complaint) => {
    await viaduct('pair', ...PAIR);
    const { code, complained } = await renew('--authority', authority);
    expect(code).toBe(1);
    expect(complained).toMatch(complaint);
    expect(complained).not.toContain('PRIVATE KEY-----');
    expect(readdirSync(folder)).not.toContain('identity.pem');
  });

  test('overwrites nothing', async () => {
    await viaduct('pair', ...PAIR);
    writeFileSync(path.join(folder, 'identity.pem'), 'in use');
    expect((await renew('--authority', 'inside.authority.pem')).code).toBe(1);
    expect(read('identity.pem')).toBe('in use');
  });
});

describe('schema and usage', () => {
  test.each(['edge', 'core', 'zone'])('the schema of %s is JSON Schema with prose', async (kind) => {
    const { code, said } = await viaduct('schema', kind);
    const schema = JSON.parse(said) as { $schema: string; properties: Record<string, unknown> };
    expect(code).toBe(0);
    expect(schema.$schema).toContain('json-schema.org');
    expect(JSON.stringify(schema)).toContain('"description"');
  });

  test.each([
    ['no command', [], 2],
    ['an unknown command', ['frobnicate'], 2],
    ['a kind that is none', ['schema', 'frobnicate'], 2],
    ['check without a file', ['check'], 2],
    ['the version', ['--version'], 0],
    ['help', ['--help'], 0],
    ['a file that is not there', ['edge', 'nowhere.yaml'], 1],
    ['status of nobody', ['status', '--url', 'http://127.0.23.9:1/'], 1],
    ['status at what is no URL', ['status', '--url', 'nonsense'], 1],
  ])('%s', async (_name, words, wanted) => {
    const { code, said, complained } = await viaduct(...words);
    expect(code).toBe(wanted);
    expect(`${said}${complained}`).not.toBe('');
    expect(complained, 'no stack trace for an operator').not.toMatch(/^\s+at /m);
  });
});

describe('status', () => {
  let company: Company;
  beforeAll(async () => {
    company = await foundCompany({ block: 27 });
    await company.edge.start();
  });
  afterAll(async () => company?.close());

  test('of a running edge, for people and as JSON', async () => {
    const url = `http://${company.at.edge}:8090/`;
    const plain = await viaduct('status', '--url', url);
    expect(plain.code).toBe(0);
    expect(plain.said).toContain('edge: edge.example.com\n');
    expect(plain.said).toContain('cause: this core has not connected yet');
    const json = await viaduct('status', '--url', url, '--json');
    expect(JSON.parse(json.said)).toHaveProperty('edge', 'edge.example.com');
  });
});
