// The core process of the HTTPS benchmark: the real link and the real HTTP room, and a gateway that passes every lane
// on to the one backend. It leaves out what core decides (sign-in, rules), whose cost is measured elsewhere.
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import pino from 'pino';
import { parse } from 'yaml';
import { ClientPool, Deadlines, HttpServerConnection, type ServerExchange } from '../../http/index.ts';
import {
  createTraversalClient,
  parseLane,
  resolveZone,
  splitLanePath,
  systemClock,
  zoneFileSchema,
} from '../../zones/index.ts';
import { type BenchSettings, clientLimits, CORE, linkSettings, serverLimits } from './https-settings.ts';

process.on('SIGTERM', () => process.exit(0));
const settings = JSON.parse(process.argv[2] ?? '') as BenchSettings;
const log = pino(pino.destination({ dest: '/dev/null', sync: false, minLength: 4096 }));
const file = zoneFileSchema.parse(parse(readFileSync(`${settings.folder}/${CORE}.yaml`, 'utf8')));
const deadlines = new Deadlines(() => performance.now());
const pool = new ClientPool({
  open: () => dialBackend(),
  limits: clientLimits,
  deadlines,
  maxConnections: 256,
  maxWaiting: 1024,
  waitMs: 10_000,
  idleMs: 60_000,
});

function dialBackend(): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: settings.backendPort, noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}

function pass(exchange: ServerExchange): void {
  const { request, body } = exchange;
  const split = splitLanePath(request.path);
  parseLane(split?.segment ?? '');
  pool.acquire((connection, error) => {
    if (connection === undefined) return error && exchange.refuse(error);
    exchange.onAbort = (reason) => connection.destroy(reason);
    const outgoing = { ...request, target: split?.rest ?? '/', host: 'backend.inside' };
    const sink = connection.start(outgoing, body.length, {
      onResponse: (head, answer) => answer.pipe(exchange.start(head, answer.length)),
      onFailure: (failure) => exchange.refuse(failure),
    });
    body.pipe(sink);
  });
}

const links = createTraversalClient({
  ...linkSettings,
  zone: resolveZone(file, file['traversal-zone'].identity),
  localAddress: undefined,
  sshSourcePorts: undefined,
  sipSourcePorts: undefined,
  connectTimeoutMs: 3000,
  backoff: { firstMs: 100, maxMs: 1000, goodAfterMs: 10_000 },
  random: () => Math.random(),
  clock: systemClock,
  log,
  count: () => undefined,
  controlHandlers: {},
  onSip: (socket) => socket.on('error', () => undefined).resume(),
  onPeerUp: () => undefined,
  onPeerDown: (_peer, reason) => process.stderr.write(`core: link down: ${reason}\n`),
  onHttp: (channel) =>
    void new HttpServerConnection(channel, {
      limits: { ...serverLimits, maxHeadBytes: 65_536 },
      deadlines,
      serverName: 'CE_C ECS',
      onRequest: pass,
      onRefused: () => undefined,
      onClose: () => undefined,
    }),
});
deadlines.start(500);
links.start();
