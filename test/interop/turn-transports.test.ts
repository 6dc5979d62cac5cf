// coturn's and OpenSSL's clients against what of TURN is newer than UDP relays: TCP allocations (RFC 6062), DTLS, access
// tokens (RFC 7635). Rows run beside each other: the client's own waits are most of their time.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadTurnBinding, type TurnServer } from '../../turn/index.ts';
import { FOUR, TEST_USER, testServer } from '../../turn/test-server.ts';
import { TestAuthority } from './certificates.ts';
import { hasCoturn, runCoturn, startPeer, trafficOf } from './coturn.ts';

const isBuilt = !('missing' in loadTurnBinding());
if (!hasCoturn) process.stderr.write('SKIPPED turn transports: needs coturn\n');
if (!isBuilt) process.stderr.write('SKIPPED turn transports: needs the compiled parts of turn/native\n');

const HOST = '127.0.0.1';
const PEER_PORT = 13_482;
const NAME = 'turn.example.com';
/** The keys that coturn's client has built in; each is followed by a line break that is not part of it. */
const COTURN_KEYS = [
  { kid: 'north', base64: 'MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEK', algorithm: 'A256GCM' },
  { kid: 'union', base64: 'MTIzNDU2Nzg5MDEyMzQ1Ngo=', algorithm: 'A128GCM' },
  { kid: 'oldempire', base64: 'MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIK', algorithm: 'A256GCM' },
] as const;

describe.skipIf(!hasCoturn || !isBuilt)("coturn's and OpenSSL's clients", () => {
  let server: TurnServer;
  let peer: ChildProcess;
  let folder: string;
  const ports = { udp: 0, tcp: 0, tls: 0, dtls: 0 };

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'viaduct-turn-'));
    const leaf = new TestAuthority(folder, 'turn').issue([NAME, HOST]);
    server = testServer({
      tls: { cert: readFileSync(leaf.chain), key: readFileSync(leaf.key) },
      policy: { allow: ['127.0.0.0/8'], ownAddresses: [], relayAddresses: [] },
      credentials: {
        tokens: {
          serverName: NAME,
          keys: COTURN_KEYS.map(({ kid, base64, algorithm }) => ({
            kid,
            key: Buffer.from(base64, 'base64').subarray(0, algorithm === 'A256GCM' ? 32 : 16),
            algorithm,
            deployment: 'default',
          })),
        },
      },
      // COMPAT(coturn 4.6.1): its client draws channels from the range of RFC 5766.
      machine: { relayAddresses: [FOUR], acceptsRfc5766Channels: true },
      server: {
        listeners: (['udp', 'tcp', 'tls', 'dtls'] as const).map((transport) => ({
          transport,
          bind: { address: HOST, port: 0 },
        })),
      },
    });
    for (const { transport, bind } of await server.listen()) ports[transport] = bind.port;
    peer = startPeer(HOST, PEER_PORT);
  });
  afterAll(async () => {
    peer.kill();
    await server.close('test ends');
    rmSync(folder, { recursive: true, force: true });
  });

  const password = ['-u', TEST_USER.username, '-w', TEST_USER.password];
  const common = ['-n', '10', '-m', '2', '-L', HOST];
  const toPeer = ['-e', HOST, '-r', String(PEER_PORT)];

  test.concurrent.for([
    ['TCP allocations', 'tcp', [...password, '-T']],
    ['TCP allocations over TLS', 'tls', [...password, '-T', '-S']],
    ['DTLS, channels', 'dtls', [...password, ...toPeer, '-S']],
    ['DTLS, indications', 'dtls', [...password, ...toPeer, '-S', '-s']],
    ['DTLS, 1,199 bytes', 'dtls', [...password, ...toPeer, '-S', '-l', '1199']],
    ['DTLS, client to client', 'dtls', [...password, '-S', '-y', '-c']],
    ['access tokens', 'udp', [...toPeer, '-J']],
    ['access tokens over TLS', 'tls', [...toPeer, '-J', '-t', '-S']],
    ['access tokens over DTLS', 'dtls', [...toPeer, '-J', '-S']],
  ] as const)('%s', { timeout: 40_000 }, async ([, transport, words]) => {
    const run = await runCoturn('turnutils_uclient', [
      ...words,
      ...common,
      '-p',
      String(ports[transport]),
      HOST,
    ]);
    const { sent, received, lost } = trafficOf(run);
    expect({ status: run.status, lost }, run.output).toEqual({ status: 0, lost: 0 });
    expect(sent).toBeGreaterThanOrEqual(10);
    expect(received).toBe(sent);
  });

  test.concurrent('OpenSSL verifies the certificate over DTLS 1.2', async () => {
    const words = `s_client -dtls1_2 -connect ${HOST}:${ports.dtls} -CAfile ${folder}/turn-authority.pem -verify_return_error`;
    const client = spawn('openssl', [...words.split(' '), '-verify_hostname', NAME], { stdio: 'pipe' });
    let output = '';
    const said = Promise.withResolvers<void>();
    for (const stream of [client.stdout, client.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (/Verify return code|error/.test(output)) said.resolve();
      });
    }
    client.on('close', () => said.resolve());
    await said.promise;
    client.stdin.end();
    await once(client, 'close');
    expect(output).toMatch(/Verify return code: 0 \(ok\)/);
    expect(output).toMatch(/DTLSv1\.2/);
  });
});
