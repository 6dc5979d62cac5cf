import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPair } from '../zones/pair/pair.ts';
import { ConfigError, loadConfig, loadCore, loadEdge } from './index.ts';

let folder = '';
const file = (name: string) => path.join(folder, name);
const write = (name: string, text: string, mode = 0o644) => {
  writeFileSync(file(name), text);
  chmodSync(file(name), mode);
  return file(name);
};

let zoneText = '';
const EDGE = `edge: { name: Edge.Example.COM }
zones: [zone.yaml]
announce: 203.0.113.10
certificate: { chain: file:chain.pem, key: "env:EDGE_KEY" }
`;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'viaduct-config-'));
  write('chain.pem', 'CHAIN');
  const pair = await createPair({
    zoneName: 'inside',
    zoneId: 1,
    edges: [{ name: 'edge.example.com', address: '10.0.1.10' }],
    cores: [{ name: 'core.inside' }],
    days: 30,
    now: Date.now(),
  });
  zoneText = pair.files[0]?.yaml ?? '';
  write('zone.yaml', zoneText, 0o600);
});
afterAll(() => rmSync(folder, { recursive: true }));

const mistakes = (name: string, env: NodeJS.ProcessEnv = {}) => {
  try {
    loadConfig(name, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.diagnostics;
    throw error;
  }
  return [];
};

describe('a valid edge file', () => {
  it('comes out with defaults, units resolved, camelCase keys, zones and hidden secrets', () => {
    const config = loadEdge(write('edge.yaml', EDGE), { EDGE_KEY: 'very secret' });
    expect(config.edge.name).toBe('edge.example.com');
    expect(config.https.idleTimeout).toBe(60_000);
    expect(config.media.ports).toEqual({ first: 36002, last: 59999 });
    expect(config.traversalZones[0]?.ports).toEqual({
      ssh: 2222,
      sip: 7001,
      xmpp: 7400,
      media: [2776, 2777],
    });
    expect(config.certificate.key.reveal()).toBe('very secret');
    expect(
      `${JSON.stringify(config)}${inspect(config, { depth: 9 })}${String(config.certificate.key)}`,
    ).not.toContain('very secret');
  });
});

describe('mistakes', () => {
  it('come out all at once, in file order, with place, allowed values and advice', () => {
    const text = `edge: { name: edge.example.com }
zones: [zone.yaml, absent.yaml]
announce: 203.0.113.10
https:
  port: 70000
  idle-timeut: 3 s
  idle-timeout: 3
certificate: { chain: file:absent.pem, key: env:ABSENT }
`;
    const found = mistakes(write('bad.yaml', text));
    expect(
      found.map(({ line, path: at, message }) => `${line} ${at} ${message.replaceAll(folder, '')}`),
    ).toEqual([
      '2 zones[1] /absent.yaml cannot be read: ENOENT',
      '5 https.port 70000 is not allowed',
      '6 https.idle-timeut unknown key',
      '7 https.idle-timeout has the wrong type, it must be string',
      '8 certificate.chain /absent.pem cannot be read: ENOENT',
      '8 certificate.key the environment has no ABSENT',
    ]);
    expect(found[1]?.allowed).toBe('a port, 1 to 65535');
    expect(found[2]?.fix).toBe('did you mean "idle-timeout"?');
  });

  it.each([
    ['a missing section', EDGE.replace(/^certificate.*$/m, ''), 'certificate'],
    [
      'a missing announce beside another error',
      EDGE.replace('announce: 203.0.113.10', 'sip: { port: 0 }'),
      'announce',
    ],
    ['a secret by value', EDGE.replace('file:chain.pem', 'CHAIN'), 'certificate.chain'],
    ['an empty zone list', EDGE.replace('[zone.yaml]', '[]'), 'zones'],
    ['a duplicate key', `${EDGE}zones: [zone.yaml]\n`, ''],
    ['a tab as indentation', `${EDGE}https:\n\tport: 1\n`, ''],
    ['no kind at all', 'name: edge\n', ''],
    ['a list', '- edge\n', ''],
    ['nothing', '', ''],
  ])('%s is placed', (_, text, at) => {
    const found = mistakes(write('row.yaml', text), { EDGE_KEY: 'k' });
    expect(found.map((entry) => entry.path)).toContain(at);
    for (const entry of found) expect(entry.line).toBeGreaterThan(0);
  });

  it('an unreadable file is named', () =>
    expect(mistakes(file('gone.yaml'))[0]?.message).toBe('cannot be read: ENOENT'));

  it('a file of another kind is told at once, whatever else is wrong with it', () =>
    expect(() => loadCore(write('kind.yaml', EDGE), {})).toThrow(
      'is the configuration of an edge, not of a core',
    ));

  it('an alias bomb is refused', () => {
    const levels = Array.from(
      { length: 12 },
      (_, n) => `k${n}: &a${n} [${n ? `*a${n - 1},`.repeat(9) : '1'}]`,
    );
    expect(() => loadConfig(write('bomb.yaml', `edge: {}\n${levels.join('\n')}\n`))).toThrow(ConfigError);
  });
});

describe('a zone file', () => {
  it('with the identity inline is refused while others may read it', () =>
    expect(mistakes(write('open.yaml', zoneText, 0o644))[0]?.fix).toBe(`chmod 600 ${file('open.yaml')}`));

  it('is taken when only its owner may, and knows who it is', () => {
    const loaded = loadConfig(write('closed.yaml', zoneText, 0o600));
    expect(loaded).toMatchObject({
      kind: 'zone',
      config: { self: { role: 'edge', name: 'edge.example.com' } },
    });
  });

  it('with a wrong fingerprint says what is allowed', () => {
    const broken = zoneText.replace(/ssh-key: .*/, 'ssh-key: SHA256:short');
    expect(mistakes(write('broken.yaml', broken, 0o600))[0]).toMatchObject({
      message: '"SHA256:short" is not allowed',
      allowed: expect.stringContaining('43 base64 characters') as string,
    });
  });

  it('whose identity cannot be read is placed', () => {
    const referring = `${zoneText.slice(0, zoneText.indexOf('  identity:'))}  identity: file:gone.pem\n`;
    expect(mistakes(write('referring.yaml', referring))[0]?.path).toBe('traversal-zone.identity');
  });
});
