// The HTTPS plane of core, put together: call control's discovery, sign-in, the proxy lane and the gateway that serves
// the channels of edges. What it needs from the process comes in as options; nothing here reads a configuration.
import type { KeyObject } from 'node:crypto';
import type { Duplex } from 'node:stream';
import {
  type AccessSettings,
  type AllowRule,
  createAuthenticator,
  createCredentialCache,
  createLaneAccess,
  createRateControl,
  createRevocations,
  createSessions,
  createSignIn,
  type Store,
} from '../../auth/index.ts';
import { type ClientLimits, Deadlines, type ServerLimits } from '../../http/index.ts';
import type { Clock } from '../../zones/clock.ts';
import type { PeerIdentity } from '../../zones/peer.ts';
import {
  type ClusterOptions,
  createFetch,
  createNodeConnections,
  createUnifiedCm,
  NodeDialer,
  type NodeDialerOptions,
  type UnifiedCm,
} from '../unified-cm/index.ts';
import type { EdgeAddress } from './edge-address.ts';
import { createEdgeServices } from './edge-services.ts';
import { createGateway } from './gateway.ts';
import { createProxyLane } from './proxy-lane.ts';
import type { RequestLog } from './request-record.ts';

export interface CoreHttpsOptions {
  /** Name of this core. */
  readonly name: string;
  /** This core's SIP address as edges reach it, for the Route that clients are told. */
  readonly sip: { readonly address: string; readonly tlsPort: number };
  /** Domain (folded) → deployment. */
  readonly domains: ReadonlyMap<string, string>;
  readonly clusters: readonly ClusterOptions[];
  /** The operator's own allow-list rules. */
  readonly rules: readonly AllowRule[];
  /** Outside hosts (folded) to which an answer from inside may redirect a client. */
  readonly redirectHosts: readonly string[];
  readonly access: AccessSettings;
  readonly credentials: {
    readonly lifetimeMs: number;
    readonly cleanupMs: number;
    readonly maxEntries: number;
    readonly cookieExpires: boolean;
    readonly cookieHttpOnly: boolean;
  };
  readonly rateControl: { readonly maxLogins: number; readonly periodMs: number };
  readonly cookieKeys: readonly [KeyObject, ...KeyObject[]];
  /** Rate counters and revocations, shared by the cores of a cluster. */
  readonly store: Store;
  readonly edges: () => readonly EdgeAddress[];
  readonly edgeOf: (peer: PeerIdentity) => EdgeAddress;
  readonly dialer: NodeDialerOptions;
  readonly limits: CoreHttpsLimits;
  /** Addresses of a name, as dns.lookup gives them. */
  readonly resolve: (host: string) => Promise<readonly string[]>;
  readonly clock: Clock;
  readonly log: RequestLog;
  readonly count: (event: string, reason?: string) => void;
}

export interface CoreHttpsLimits {
  /** Channels from edges. */
  readonly channel: ServerLimits;
  /** Connections to servers inside, for proxied requests. */
  readonly node: ClientLimits;
  readonly maxConnectionsPerService: number;
  readonly maxWaitingPerService: number;
  readonly waitMs: number;
  readonly idleMs: number;
  /** Connections to one node for core's own questions, apart from those for proxied requests. */
  readonly maxUdsConnections: number;
  /** Longest wait for an answer to one of core's own questions. */
  readonly udsMs: number;
  readonly maxUdsBytes: number;
  readonly maxUsersAtOnce: number;
  readonly maxWaitingPerUser: number;
  readonly maxRevocationsKept: number;
  /** How long a revocation at another core may take to be seen here. */
  readonly revocationRefreshMs: number;
  /** How often deadlines are looked at. */
  readonly sweepMs: number;
}

export interface CoreHttps {
  readonly unifiedCm: UnifiedCm;
  start(): void;
  /** Serves one channel of an edge's link; owns it from here on. */
  serve(channel: Duplex, peer: PeerIdentity): void;
  /** Ends every session and forgets every confirmed credential of a user. */
  revoke(user: string): Promise<void>;
  drain(): void;
  close(reason: string): void;
  stats(): { readonly channels: number; readonly credentials: number };
}

export function createCoreHttps(options: CoreHttpsOptions): CoreHttps {
  const { clock, count, log, limits, store, credentials, access: settings } = options;
  const now = clock.wall;
  const deadlines = new Deadlines(clock.now);
  const dialer = new NodeDialer(options.dialer);
  const pools = {
    dialer,
    deadlines,
    limits: limits.node,
    maxConnections: limits.maxConnectionsPerService,
    maxWaiting: limits.maxWaitingPerService,
    waitMs: limits.waitMs,
    idleMs: limits.idleMs,
  };
  const udsLimits = { ...limits.node, responseMs: limits.udsMs, bodyMs: limits.udsMs };
  const connections = createNodeConnections(pools);
  const udsConnections = createNodeConnections({
    ...pools,
    limits: udsLimits,
    maxConnections: limits.maxUdsConnections,
  });
  const fetch = createFetch(udsConnections, limits.maxUdsBytes);
  const unifiedCm = createUnifiedCm({ ...options, fetch });

  const { lifetimeMs, cleanupMs, maxEntries } = credentials;
  const cache = createCredentialCache({ ttlMs: lifetimeMs, cleanupMs, maxEntries, now, count });
  const revocations = createRevocations({
    store,
    refreshMs: limits.revocationRefreshMs,
    keepMs: lifetimeMs,
    maxUsers: limits.maxRevocationsKept,
    now,
  });
  const sessions = createSessions({ keys: options.cookieKeys, lifetimeMs, revocations, now });
  const authenticator = createAuthenticator({
    passwordCheck: unifiedCm.checkPassword,
    cache,
    rate: createRateControl({ store, ...options.rateControl, now }),
    maxUsersAtOnce: limits.maxUsersAtOnce,
    maxWaitingPerUser: limits.maxWaitingPerUser,
    count,
  });

  const gateway = createGateway({
    limits: limits.channel,
    deadlines,
    domains: options.domains,
    edgeServices: createEdgeServices({
      settings,
      signIn: createSignIn({ settings, authenticator, sessions }),
      unifiedCm,
      edges: options.edges,
      edgeOf: options.edgeOf,
      sip: options.sip,
      cookie: { expires: credentials.cookieExpires, httpOnly: credentials.cookieHttpOnly },
      count,
    }),
    proxyLane: createProxyLane({
      access: createLaneAccess({ settings, sessions, authenticator, allowList: unifiedCm.allowList }),
      unifiedCm,
      connections,
      name: options.name,
      redirectHosts: new Set(options.redirectHosts),
      count,
    }),
    now: clock.now,
    log,
    count,
  });

  let stopSweep: () => void = () => undefined;
  const forgetNodes = unifiedCm.onChange(() => {
    connections.prune(unifiedCm.nodes());
    udsConnections.prune(unifiedCm.nodes());
  });
  return {
    unifiedCm,
    start() {
      stopSweep = deadlines.start(limits.sweepMs);
      unifiedCm.start();
    },
    serve: gateway.serve,
    async revoke(user) {
      cache.forget(user);
      await revocations.revoke(user);
    },
    drain: gateway.drain,
    close(reason) {
      forgetNodes();
      stopSweep();
      unifiedCm.close();
      gateway.close(reason);
      connections.close();
      udsConnections.close();
    },
    stats: () => ({ channels: gateway.channels, credentials: cache.size }),
  };
}
