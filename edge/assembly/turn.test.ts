// From the edge's file to a TURN server: off unless asked for, defaults of the guide, lists that refuse by name, and a
// server made of it that listens.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ConfigError, loadEdge } from '../../config/index.ts';
import { TurnServer, type TurnServerOptions } from '../../turn/index.ts';
import { createPair } from '../../zones/index.ts';
import { turnServerOptions } from './turn.ts';

const quiet = (): void => undefined;
const OBSERVERS = { log: { debug: quiet, info: quiet, warn: quiet, error: quiet }, count: quiet };
let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'viaduct-turn-assembly-'));
  const pair = await createPair({
    zoneName: 'inside',
    zoneId: 1,
    edges: [{ name: 'edge.example.com', address: '10.0.1.10' }],
    cores: [{ name: 'core.inside' }],
    days: 30,
    now: Date.now(),
  });
  writeFileSync(path.join(folder, 'zone.yaml'), pair.files[0]?.yaml ?? '', { mode: 0o600 });
  writeFileSync(path.join(folder, 'password'), 'wonderland\n', { mode: 0o600 });
});
afterAll(() => rmSync(folder, { recursive: true }));

function optionsOf(turn: string, listen = '{ external: 127.0.0.1 }'): TurnServerOptions | undefined {
  const file = path.join(folder, 'edge.yaml');
  writeFileSync(
    file,
    `edge: { name: edge.example.com }\nzones: [zone.yaml]\nannounce: 203.0.113.10\nlisten: ${listen}\n` +
      `certificate: { chain: env:PEM, key: env:PEM }\nturn: ${turn}\n`,
  );
  return turnServerOptions(loadEdge(file, { PEM: 'pem' }), undefined, OBSERVERS);
}

const USER = 'users: [{ name: alice, password: file:password }]';

test('off unless enabled', () => {
  expect(optionsOf('{}')).toBeUndefined();
});

test('enabled, it has the defaults of the guide', () => {
  const options = optionsOf(`{ enabled: true, ${USER} }`)!;
  expect(options.machine).toMatchObject({
    realm: 'TANDBERG',
    firstRelayPort: 24_000,
    lastRelayPort: 29_999,
    maxAllocations: 1_800,
    answersUnauthenticatedBinding: false,
    relayAddresses: [{ family: 4, bound: '127.0.0.1', announced: '203.0.113.10' }],
  });
  expect(options.listeners.map(({ transport, bind }) => `${transport} ${bind.port}`)).toEqual([
    'udp 3478',
    'tcp 3478',
    // With the compiled parts.
    ...(options.dtls ? ['dtls 5349'] : []),
    'tls 5349',
  ]);
});

test("a password file's line break is no part of the password", () => {
  const found = optionsOf(`{ enabled: true, ${USER} }`)!.machine.credentials.find('alice');
  expect(found).toMatchObject([{ password: 'wonderland' }]);
});

test('peers: the announced address at relay and media ports, nothing else of this machine', () => {
  const { policy } = optionsOf(`{ enabled: true, ${USER} }`)!.machine;
  const allowed = (address: string, port: number): boolean => policy.judgePeer({ address, port }).allowed;
  expect([24_000, 36_002, 3_478, 8_443, 22].map((port) => allowed('203.0.113.10', port))).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
  expect(allowed('127.0.0.1', 24_000)).toBe(false);
});

describe('what refuses to start', () => {
  test.each([
    ['nobody could use it', '{ enabled: true }', 'nobody could use the relay'],
    [
      'a name twice',
      `{ ${USER.replace(']', ', { name: alice, password: file:password }]')} }`,
      'same name twice',
    ],
    ['a prefix that is too long', '{ allow: [10.0.0.0/33] }', '10.0.0.0/33'],
    ['a name in a list', '{ deny: [10.0.0.0/8, nodes.example.com] }', 'nodes.example.com'],
  ])('%s', (_name, turn, expected) => {
    const words = (): string => {
      try {
        optionsOf(turn);
      } catch (error) {
        if (error instanceof ConfigError) return JSON.stringify(error.diagnostics);
      }
      return '';
    };
    expect(words()).toContain(expected);
  });

  test('bits right of the prefix', () => {
    expect(() => optionsOf(`{ enabled: true, ${USER}, allow: [10.0.0.1/8] }`)).toThrow('"10.0.0.1/8"');
  });
});

test('peers of the cluster: reached inside, named when full, their doors denied', () => {
  const peers = 'peers: [{ announce: 203.0.113.11, address: 10.0.0.11 }]';
  const { machine } = optionsOf(`{ enabled: true, allow: [10.0.0.0/8], ${peers}, ${USER} }`)!;
  expect(machine.alternates).toEqual([{ address: '203.0.113.11', port: 3478 }]);
  const verdict = (address: string, port: number) => machine.policy.judgePeer({ address, port }).allowed;
  expect([verdict('203.0.113.11', 24_000), verdict('203.0.113.11', 8443)]).toEqual([true, false]);
  expect([verdict('10.0.0.11', 24_000), verdict('10.0.0.12', 24_000)]).toEqual([false, true]);
});

test('tokens: a key comes in base64 from its file', () => {
  writeFileSync(path.join(folder, 'kid'), `${Buffer.alloc(32, 7).toString('base64')}\n`, { mode: 0o600 });
  const tokens = 'tokens: { server-name: turn.example.com, keys: [{ kid: k1, key: file:kid }] }';
  const { credentials } = optionsOf(`{ enabled: true, ${tokens} }`)!.machine;
  expect(credentials.tokenServerName).toBe('turn.example.com');
  expect(credentials.findByToken('k1', Buffer.alloc(80))).toBe('bad-token');
});

test('a server made of it listens', async () => {
  const server = new TurnServer(
    optionsOf(
      `{ enabled: true, tcp: false, tls: false, dtls: false, port: 34780, ${USER} }`,
      '{ external: 127.0.77.1 }',
    )!,
  );
  expect(await server.listen()).toHaveLength(1);
  await server.close('test ends');
});
