// coturn's own clients against our TURN server on loopback: UDP, TCP and TLS, channels and indications, client to client,
// many clients, mobility, IPv6, time-limited credentials. Loopback is denied by default, so the test allows it.
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TurnServer } from '../../turn/index.ts';
import { RELAY_ENGINES } from '../../turn/relay/test-engines.ts';
import { FOUR, TEST_USER, testServer } from '../../turn/test-server.ts';
import { TestAuthority } from './certificates.ts';
import { hasCoturn, runCoturn, startPeer, trafficOf, type CoturnRun } from './coturn.ts';

if (!hasCoturn) process.stderr.write('SKIPPED turn: needs coturn\n');

const HOST = '127.0.0.1';
const PEER_PORT = 13_480;
const SECRET = 'between issuer and relay';
/** Long enough for some hundred damaged messages. */
const NEGATIVE_MS = 12_000;
const SIX = { family: 6, bound: '::1', announced: '::1' } as const;

const isNative = RELAY_ENGINES.includes('native');

// Side by side: each run of its client is mostly waiting.
describe.skipIf(!hasCoturn)("coturn's clients", () => {
  let server: TurnServer;
  const peers: ChildProcess[] = [];
  let folder: string;
  const ports = { udp: 0, tcp: 0, tls: 0, dtls: 0 };
  const counted = new Map<string, number>();

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'viaduct-turn-'));
    const leaf = new TestAuthority(folder, 'turn').issue(['turn.example.com', HOST]);
    server = testServer({
      tls: { cert: readFileSync(leaf.chain), key: readFileSync(leaf.key) },
      policy: { allow: ['127.0.0.0/8', '::1'], ownAddresses: [], relayAddresses: [] },
      credentials: { secrets: [{ secret: SECRET, deployment: 'default' }] },
      // COMPAT(coturn 4.6.1): its client draws channels from the range of RFC 5766.
      machine: { relayAddresses: [FOUR, SIX], acceptsRfc5766Channels: true },
      server: {
        listeners: (['udp', 'tcp', 'tls'] as const).map((transport) => ({
          transport,
          bind: { address: HOST, port: 0 },
        })),
        count: (event, reason = '') =>
          counted.set(`${event} ${reason}`, (counted.get(`${event} ${reason}`) ?? 0) + 1),
      },
    });
    for (const { transport, bind } of await server.listen()) ports[transport] = bind.port;
    peers.push(startPeer(HOST, PEER_PORT), startPeer('::1', PEER_PORT));
  });
  afterAll(async () => {
    for (const peer of peers) peer.kill();
    await server.close('test ends');
    rmSync(folder, { recursive: true, force: true });
  });

  const user = ['-u', TEST_USER.username, '-w', TEST_USER.password];
  const uclient = (
    words: readonly string[],
    transport: keyof typeof ports,
    credentials: readonly string[] = user,
    limitMs?: number,
  ) => {
    const at = ['-r', String(PEER_PORT), '-p', String(ports[transport])];
    return runCoturn('turnutils_uclient', [...credentials, ...at, ...words, HOST], limitMs);
  };
  const four = ['-L', HOST, '-e', HOST];

  function expectAllDelivered(run: CoturnRun, messages: number): void {
    const { sent, received, lost } = trafficOf(run);
    expect({ status: run.status, lost }, run.output).toEqual({ status: 0, lost: 0 });
    expect(sent).toBeGreaterThanOrEqual(messages);
    expect(received).toBe(sent);
  }

  test.concurrent.each([
    ['UDP, channels', [...four, '-m', '2'], 'udp'],
    ['UDP, indications', [...four, '-m', '2', '-s'], 'udp'],
    ['TCP, channels', [...four, '-m', '2', '-t'], 'tcp'],
    ['TCP, indications', [...four, '-m', '2', '-t', '-s'], 'tcp'],
    ['TLS, channels', [...four, '-m', '2', '-t', '-S'], 'tls'],
    ['TLS, indications, padded', [...four, '-m', '2', '-t', '-S', '-s', '-D'], 'tls'],
    ['client to client, channels', ['-L', HOST, '-m', '2', '-y'], 'udp'],
    ['client to client, indications, without RTCP', ['-L', HOST, '-m', '2', '-y', '-c', '-s'], 'udp'],
    ['client to client over TCP', ['-L', HOST, '-m', '2', '-y', '-t'], 'tcp'],
    ['extra requests', [...four, '-m', '2', '-G'], 'udp'],
    ['mobility', [...four, '-m', '2', '-M'], 'udp'],
    ['mobility over TCP', [...four, '-m', '2', '-M', '-t'], 'tcp'],
    ['1,200 bytes', [...four, '-m', '2', '-l', '1200'], 'udp'],
    ['IPv6 peers', ['-L', HOST, '-e', '::1', '-x', '-m', '2'], 'udp'],
    // Not -Z: coturn 4.6.1 asks for both families by 0x8032, which RFC 8656 did not keep.
  ] as const)('%s', async (_name, words, transport) => {
    expectAllDelivered(await uclient(['-n', '10', ...words], transport), 10);
  });

  test('a hundred clients at once', async () => {
    expectAllDelivered(await uclient([...four, '-m', '100', '-n', '5', '-c'], 'udp'), 500);
  });

  test.concurrent('DONT-FRAGMENT, which node:dgram cannot do', async () => {
    const run = await uclient([...four, '-n', '10', '-g', '-s'], 'udp');
    if (isNative) expectAllDelivered(run, 10);
    else expect(run.output).toMatch(/420/);
  });

  test.concurrent('time-limited credentials made by coturn', async () => {
    expectAllDelivered(await uclient([...four, '-n', '10'], 'udp', ['-u', 'bob', '-W', SECRET]), 10);
  });

  test.concurrent.each([
    ['a wrong password', [...four], ['-u', 'alice', '-w', 'wrong'], /Cannot complete Allocation/],
    ['a denied peer', ['-L', HOST, '-e', '10.0.0.1'], user, /403/],
  ] as const)('%s is refused', async (_name, words, credentials, expected) => {
    const run = await uclient(['-n', '1', ...words], 'udp', credentials);
    expect(run.output).toMatch(expected);
    expect(run.status).not.toBe(0);
  });

  test.concurrent('after the damaged messages of its negative mode the server serves on', async () => {
    // Its own answers to what it has damaged never come, and it does not give up by itself.
    await Promise.all(
      [[], ['-s', '-c']].map((more) =>
        uclient([...four, '-R', '-n', '2', ...more], 'udp', user, NEGATIVE_MS),
      ),
    );
    const refused = [...counted].filter(([event]) => /^turn-(dropped|stray|refused)/.test(event));
    expect(refused.length).toBeGreaterThan(0);
    expectAllDelivered(await uclient([...four, '-n', '10'], 'udp'), 10);
  });

  test.concurrent('its STUN client meets the refusal of unauthenticated Binding', async () => {
    const { output } = await runCoturn('turnutils_stunclient', ['-p', String(ports.udp), HOST]);
    expect(output).toMatch(/401/);
  });
});
