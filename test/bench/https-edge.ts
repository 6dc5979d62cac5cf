// The edge process of the HTTPS benchmark: the real door and the real link, each request logged by pino as in the
// product, to a file that keeps nothing.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import pino from 'pino';
import { parse } from 'yaml';
import { createHttpsDoor } from '../../edge/https/index.ts';
import { createTraversalServer, resolveZone, systemClock, zoneFileSchema } from '../../zones/index.ts';
import { type BenchSettings, clientLimits, EDGE, linkSettings, serverLimits } from './https-settings.ts';

process.on('SIGTERM', () => process.exit(0));
const settings = JSON.parse(process.argv[2] ?? '') as BenchSettings;
const log = pino(pino.destination({ dest: '/dev/null', sync: false, minLength: 4096 }));
const file = zoneFileSchema.parse(parse(readFileSync(`${settings.folder}/${EDGE}.yaml`, 'utf8')));
const count = (): void => undefined;

const links = createTraversalServer({
  ...linkSettings,
  zone: resolveZone(file, file['traversal-zone'].identity),
  host: '127.0.0.1',
  sshPort: settings.sshPort,
  sipPort: settings.sipPort,
  admission: {
    maxPending: 32,
    maxPendingPerAddress: 16,
    perAddressPerSecond: 100,
    perAddressBurst: 100,
    maxAddresses: 64,
  },
  maxStrangerBytes: 16_384,
  rekeyBytes: 1024 ** 3,
  rekeyIntervalMs: 3_600_000,
  clock: systemClock,
  log,
  count,
  controlHandlers: {},
  onSip: (socket) => socket.on('error', () => undefined).resume(),
  onPeerUp: () => process.stdout.write('ready\n'),
  onPeerDown: (_peer, reason) => process.stderr.write(`edge: link down: ${reason}\n`),
});
const door = createHttpsDoor({
  address: '127.0.0.1',
  port: settings.edgePort,
  tls: {
    identity: {
      key: readFileSync(`${settings.folder}/tls.key`),
      cert: readFileSync(`${settings.folder}/tls.pem`),
    },
    groups: 'X25519MLKEM768:X25519:P-256',
    ciphers:
      'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256',
    minVersion: 'TLSv1.2',
  },
  edgeName: EDGE,
  hostNames: ['127.0.0.1'],
  admission: {
    maxConnections: 10_000,
    maxConnectionsPerAddress: 1000,
    maxHandshakes: 200,
    handshakeMs: 10_000,
  },
  client: serverLimits,
  core: clientLimits,
  channels: { maxChannels: 256, maxWaiting: 1024, waitMs: 10_000, idleMs: 60_000 },
  retryAfterSeconds: 5,
  sweepMs: 500,
  cores: () => links.cores(),
  admits: () => true,
  refused: () => undefined,
  log,
  count,
  now: () => performance.now(),
  newUuid: () => randomUUID(),
});
await links.listen();
await door.listen();
