// The HTTPS plane of a core with one real server inside, and a client that writes raw bytes into a channel as an edge
// would, or as a captured one might. Not part of the product.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Duplex, duplexPair } from 'node:stream';
import { createBanList, randomCookieKey } from '../../auth/index.ts';
import { USUAL_METHODS } from '../../http/index.ts';
import { type Lane, printLane } from '../../zones/lane.ts';
import { createMemoryStore } from '../../zones/store/memory-store.ts';
import { ManualClock } from '../../zones/test-clock.ts';
import { clusterDefaults } from '../unified-cm/test-uds.ts';
import { createTestAuthority, startTestNode, type TestTlsNode } from '../unified-cm/test-tls-node.ts';
import { type CoreHttps, type CoreHttpsOptions, createCoreHttps } from './core-https.ts';

export const peer = { name: 'edge1.example.com', zone: 'inside', zoneId: 3 };
export const domainLane = printLane({ kind: 'domain', domain: 'example.com' });
export const basic = (user: string, password: string): string =>
  `Authorization: Basic ${Buffer.from(`${user}:${password}`).toString('base64')}\r\n`;
export const alice = basic('alice', 'wonderland');

export interface TestCore {
  readonly core: CoreHttps;
  readonly clock: ManualClock;
  readonly ucm: TestTlsNode;
  readonly files: TestTlsNode;
  readonly logged: Record<string, unknown>[];
  readonly counted: string[];
  /** `https` lane to Unified CM, or to another host or port. */
  lane(change?: Partial<Extract<Lane, { kind: 'proxy' }>>): string;
  /** A fresh channel, as an edge gets it. */
  channel(): Duplex;
  /** Sends `text` on a fresh channel and resolves with all that comes back until the channel closes. */
  exchange(text: string): Promise<string>;
  /** A GET with these header lines. */
  get(path: string, headers?: string): Promise<string>;
  close(): Promise<void>;
}

/** What Unified CM answers: alice with her password, and an echo of the request below her resources. */
export function answerAsUnifiedCm(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'https://ucm1.example.com');
  if (url.pathname === '/cucm-uds/servers')
    return void response.end('<servers><server>ucm1.example.com</server></servers>');
  if (url.pathname === '/cucm-uds/version')
    return void response.end('<versionInformation><version>14</version></versionInformation>');
  if (url.pathname === '/cucm-uds/clusterUser') {
    const found = url.searchParams.get('username')?.toLowerCase() === 'alice';
    const home = found ? '<homeCluster>ucm1.example.com</homeCluster>' : '';
    return void response.end(`<clusterUser><result found="${found}"/>${home}</clusterUser>`);
  }
  const good =
    request.headers.authorization === `Basic ${Buffer.from('alice:wonderland').toString('base64')}`;
  if (!good) {
    response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="Cisco Web Services Realm"' });
    return void response.end('<html>no</html>');
  }
  if (url.pathname === '/cucm-uds/user/alice/devices') return void response.end('<devices/>');
  let body = '';
  request.on('data', (piece) => (body += piece));
  request.on('end', () => {
    const { method, headers } = request;
    response.end(JSON.stringify({ method, target: request.url, headers, body }));
  });
}

export async function openCore(change: Partial<CoreHttpsOptions> = {}): Promise<TestCore> {
  const authority = await createTestAuthority();
  const ucm = await startTestNode(await authority.issue('ucm1.example.com'), answerAsUnifiedCm);
  const files = await startTestNode(undefined, (_request, response) => response.end('<device/>'));
  const clock = new ManualClock();
  const logged: Record<string, unknown>[] = [];
  const counted: string[] = [];
  const count = (event: string, reason = ''): void => void counted.push(`${event} ${reason}`.trim());
  const log = (fields: object): void => void logged.push(fields as Record<string, unknown>);
  const store = createMemoryStore({
    journal: undefined,
    sweepMs: 60_000,
    clock,
    count,
    onHealth: () => undefined,
  });
  const head = { maxHeadBytes: 131_072, maxTargetBytes: 16_384, maxHeaders: 100, maxHeaderNameBytes: 256 };
  const edge = {
    peer: peer.name,
    address: 'edge1.example.com',
    httpsPort: 8443,
    sipPort: 5061,
    xmppPort: 5222,
    cookieDomain: 'example.com',
  };
  const core = createCoreHttps({
    name: 'core1.inside',
    sip: { address: '10.0.2.10', tlsPort: 5061 },
    domains: new Map([
      ['example.com', 'd'],
      ['branch.example.com', 'd2'],
    ]),
    clusters: [
      {
        ...clusterDefaults,
        trust: authority.certificate,
        ports: { web: ucm.port, files: files.port, filesTls: 6972, headset: 6971, unity: [443] },
      },
    ],
    rules: [],
    directories: new Map(),
    redirectHosts: ['login.example.net'],
    access: {
      authenticationPath: 'ucm-ldap',
      oauthWithRefresh: false,
      oauthSimple: false,
      userCredential: true,
      internalCheck: false,
      activationCodeOnboarding: false,
      embeddedSafari: false,
      clientRedirectUri: false,
      sipTokenExtraTtlS: 0,
    },
    onboardingPaths: [],
    digest: undefined,
    bans: createBanList({
      categories: new Map([['http-auth', { triggerLevel: 20, windowMs: 600_000, blockMs: 600_000 }]]),
      exempt: [],
      maxBans: 10,
      maxCounters: 10,
      maxHistory: 10,
      now: clock.wall,
      count,
      onBan: () => undefined,
    }),
    sso: undefined,
    oauth: {
      keys: new Map(),
      overlapMs: 7_200_000,
      refetchMs: 30_000,
      refreshMs: 3_600_000,
      lifetimeMs: 3_600_000,
      skewMs: 60_000,
      maxTokens: 1000,
      scopes: { https: [], sip: [], xmpp: [] },
    },
    credentials: {
      lifetimeMs: 28_800_000,
      cleanupMs: 43_200_000,
      maxEntries: 1000,
      cookieExpires: true,
      cookieHttpOnly: true,
    },
    rateControl: { maxLogins: 8, periodMs: 300_000 },
    cookieKeys: [randomCookieKey()],
    store: store.namespace('auth', {
      maxEntries: 1000,
      maxEntryLength: 1000,
      whenFull: 'evict',
      durable: false,
    }),
    edges: () => [
      edge,
      { ...edge, peer: 'edge2.example.com', address: 'edge2.example.com', xmppPort: undefined },
    ],
    edgeOf: () => edge,
    dialer: { connectMs: 5000, identity: undefined },
    limits: {
      channel: {
        ...head,
        methods: USUAL_METHODS,
        maxBodyBytes: 2 ** 40,
        idleMs: 60_000,
        headMs: 10_000,
        bodyMs: 20_000,
        minBodyBytes: 100,
        writeMs: 30_000,
        lingerBytes: 4096,
        lingerMs: 2000,
        maxBufferedBytes: 65_536,
        maxRequests: 1_000_000,
      },
      node: {
        ...head,
        responseMs: 30_000,
        bodyMs: 30_000,
        writeMs: 30_000,
        maxBufferedBytes: 65_536,
        maxInterim: 5,
      },
      maxConnectionsPerService: 64,
      maxWaitingPerService: 1000,
      waitMs: 5000,
      idleMs: 30_000,
      maxUdsConnections: 8,
      udsMs: 5000,
      maxUdsBytes: 1_048_576,
      maxUsersAtOnce: 100,
      maxWaitingPerUser: 10,
      internalCheck: { keepMs: 300_000, maxUsers: 100, maxAtOnce: 10 },
      maxRevocationsKept: 1000,
      revocationRefreshMs: 5000,
      sweepMs: 250,
    },
    resolve: async () => ['127.0.0.1'],
    clock,
    log: { info: log, warn: log, error: log },
    count,
    ...change,
  });
  core.start();
  if (change.clusters === undefined) await discovered(core);
  const test: TestCore = {
    core,
    clock,
    ucm,
    files,
    logged,
    counted,
    lane: (lane = {}) =>
      printLane({
        kind: 'proxy',
        domain: 'example.com',
        protocol: 'https',
        host: 'ucm1.example.com',
        port: ucm.port,
        ...lane,
      }),
    channel: () => {
      const [ours, theirs] = duplexPair();
      ours.on('error', () => undefined);
      core.serve(theirs, peer);
      return ours;
    },
    exchange: (text) => {
      const channel = test.channel();
      let received = '';
      channel.on('data', (piece: Buffer) => (received += piece.toString('latin1')));
      channel.write(text, 'latin1');
      return new Promise((resolve) => {
        channel.on('end', () => resolve(received));
        channel.on('close', () => resolve(received));
      });
    },
    get: (path, headers = '') =>
      test.exchange(
        `GET ${path} HTTP/1.1\r\nHost: edge1.example.com:8443\r\n${headers}Connection: close\r\n\r\n`,
      ),
    close: async () => {
      core.close('test over');
      await store.close();
      await Promise.all([ucm.close(), files.close()]);
    },
  };
  return test;
}

/** Resolves once every node has been heard of. */
function discovered(core: CoreHttps): Promise<void> {
  const { unifiedCm } = core;
  const complete = (): boolean => unifiedCm.nodes().every(({ reach }) => reach.state === 'up');
  return new Promise((resolve) => {
    const stop = unifiedCm.onChange(() => {
      if (!complete()) return;
      stop();
      resolve();
    });
  });
}
