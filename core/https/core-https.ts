// The HTTPS plane of core, put together: call control's discovery, sign-in, the proxy lane and the gateway that serves
// the channels of edges. What it needs from the process comes in as options; nothing here reads a configuration.
import type { KeyObject } from 'node:crypto';
import type { Duplex } from 'node:stream';
import {
  type AccessSettings,
  type AllowList,
  type AllowRule,
  type BanList,
  createAuthenticator,
  createCredentialCache,
  createKeyRing,
  createLaneAccess,
  createRateControl,
  createRevocations,
  createSessions,
  createSignIn,
  createSignInGuard,
  createTokens,
  type Credentials,
  type Deny,
  type ListedToken,
  type Directory,
  type Revocations,
  type SimpleTokens,
  type Store,
  type Tokens,
  type TokenService,
} from '../../auth/index.ts';
import type { DigestAlgorithm } from '../../auth/digest/digest-credentials.ts';
import { createDigestDoor, type DigestDoor } from '../../auth/digest/digest-door.ts';
import { createDigestSecrets } from '../../auth/digest/digest-secrets.ts';
import { createNonces, type NonceOptions } from '../../auth/digest/nonces.ts';
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
import { createInternalCheck, type InternalCheckOptions } from './internal-check.ts';
import { createOnboarding } from './onboarding.ts';
import { createProxyLane } from './proxy-lane.ts';
import type { RequestLog } from './request-record.ts';
import { createSignOnPlane, type SignOnPlaneOptions } from './sign-on-plane.ts';
import { createSignOnServices } from './sign-on-services.ts';

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
  /** Deployment → the directory that judges its passwords; Unified CM judges the others'. */
  readonly directories: ReadonlyMap<string, Directory>;
  /** Outside hosts (folded) to which an answer from inside may redirect a client. */
  readonly redirectHosts: readonly string[];
  readonly access: AccessSettings;
  /** Canonical paths on Unified CM that a device with an activation code may reach; used while onboarding is on. */
  readonly onboardingPaths: readonly string[];
  readonly oauth: OauthOptions;
  /** Core asks phones for a digest, checked against what sign-ins left; undefined: call control asks. */
  readonly digest: DigestOptions | undefined;
  /** Single sign-on and simple tokens; undefined while switched off. */
  readonly sso: SignOnPlaneOptions | undefined;
  /** Intrusion protection of this core. */
  readonly bans: BanList;
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

/** Digest at the SIP door. */
export interface DigestOptions {
  readonly algorithms: readonly DigestAlgorithm[];
  readonly nonces: Omit<NonceOptions, 'now'>;
}

/** Self-describing tokens: whose keys, and what a token must say. */
export interface OauthOptions {
  /** By cluster name: the keys themselves, or where the cluster hands them out. */
  readonly keys: ReadonlyMap<
    string,
    { readonly document: string } | { readonly path: string; readonly account: Credentials | undefined }
  >;
  readonly overlapMs: number;
  readonly refetchMs: number;
  /** How often keys are fetched without a reason. */
  readonly refreshMs: number;
  readonly lifetimeMs: number;
  readonly skewMs: number;
  readonly maxTokens: number;
  readonly scopes: Readonly<Record<TokenService, readonly string[]>>;
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
  /** Questions of get_edge_sso to call control. */
  readonly internalCheck: Pick<InternalCheckOptions, 'keepMs' | 'maxUsers' | 'maxAtOnce'>;
  readonly maxRevocationsKept: number;
  /** How long a revocation at another core may take to be seen here. */
  readonly revocationRefreshMs: number;
  /** How often deadlines are looked at. */
  readonly sweepMs: number;
}

export interface CoreHttps {
  readonly unifiedCm: UnifiedCm;
  /** Judges tokens for the doors of other planes; undefined while tokens are switched off. */
  readonly tokens: Tokens | undefined;
  /** Checks digests of phones whose users have signed in; undefined while call control does. */
  readonly digest: DigestDoor | undefined;
  readonly simpleTokens: SimpleTokens | undefined;
  start(): void;
  /** Serves one channel of an edge's link; owns it from here on. */
  serve(channel: Duplex, peer: PeerIdentity): void;
  /** How a user stands with this core, for the operator. Rejects when the store fails. */
  standing(deployment: string, user: string): Promise<UserStanding>;
  /** Ends every session and token of a user and forgets every confirmed credential; how many simple tokens there were. */
  revoke(user: string): Promise<number>;
  /** Simple tokens, of one user or all, for the administrator. */
  listTokens(user: string | undefined): Promise<readonly ListedToken[]>;
  /** Ends one simple token. */
  revokeToken(id: string): Promise<number>;
  drain(): void;
  close(reason: string): void;
  stats(): {
    readonly channels: number;
    readonly credentials: number;
    readonly oauth: ReturnType<Tokens['status']> | 'off';
    readonly singleSignOn: object | 'off';
  };
}

/** What keeps a user from signing in, as far as core knows without asking. */
export interface UserStanding {
  /** Rate control's verdict. */
  readonly limited: Deny | undefined;
  /** Sessions and tokens issued before now are void. */
  readonly revoked: boolean;
}

export function createCoreHttps(options: CoreHttpsOptions): CoreHttps {
  const { clock, count, log, limits } = options;
  const deadlines = new Deadlines(() => clock.now());
  const inside = openInside(options, deadlines);
  const access = openAccess(options, inside.unifiedCm);
  const passing = {
    unifiedCm: inside.unifiedCm,
    connections: inside.connections,
    name: options.name,
    redirectHosts: new Set(options.redirectHosts),
    count,
  };
  const gateway = createGateway({
    limits: limits.channel,
    deadlines,
    domains: options.domains,
    edgeServices: createEdgeServices({
      ...options,
      signOn: access.signOnServices,
      oauth: {
        ...passing,
        callers: access.callers,
        clusterOf: (deployment) =>
          options.clusters.find((cluster) => cluster.deployment === deployment)?.name,
        revoke: async (user) => void (await access.revoke(user)),
      },
      settings: options.access,
      internalCheck: options.access.internalCheck
        ? createInternalCheck({
            ...limits.internalCheck,
            unifiedCm: inside.unifiedCm,
            now: () => clock.now(),
            count,
          })
        : undefined,
      signIn: access.signIn,
      unifiedCm: inside.unifiedCm,
      cookie: { expires: options.credentials.cookieExpires, httpOnly: options.credentials.cookieHttpOnly },
    }),
    proxyLane: createProxyLane({ ...passing, access: access.lane, onboarding: access.onboarding }),
    now: () => clock.now(),
    log,
    count,
  });
  let stopSweep: () => void = () => undefined;
  let stopKeys: () => void = () => undefined;
  const fetchKeys = (): void => {
    if (access.tokens === undefined) return;
    void access.tokens.refreshKeys();
    stopKeys = clock.after(options.oauth.refreshMs, fetchKeys);
  };
  return {
    unifiedCm: inside.unifiedCm,
    tokens: access.tokens,
    digest: access.digest,
    simpleTokens: access.sso?.tokens,
    start() {
      stopSweep = deadlines.start(limits.sweepMs);
      inside.unifiedCm.start();
      fetchKeys();
      access.sso?.providers.start();
      void access.sso?.ownMetadata.compare();
    },
    serve: (channel, peer) => gateway.serve(channel, peer),
    revoke: (user) => access.revoke(user),
    standing: (deployment, user) => access.standing(deployment, user),
    listTokens: async (user) => (await access.sso?.tokens.list(user)) ?? [],
    revokeToken: async (id) => (await access.sso?.tokens.revoke({ id })) ?? 0,
    drain: () => gateway.drain(),
    close(reason) {
      stopSweep();
      stopKeys();
      access.sso?.providers.close();
      gateway.close(reason);
      inside.close();
    },
    stats: () => ({
      channels: gateway.channels,
      credentials: access.cache.size,
      oauth: access.tokens?.status() ?? 'off',
      singleSignOn: access.signOnStatus(),
    }),
  };
}

/** Connections to servers inside and what is known of them. Core's own questions have connections of their own. */
function openInside(options: CoreHttpsOptions, deadlines: Deadlines) {
  const { limits } = options;
  const pools = {
    dialer: new NodeDialer(options.dialer),
    deadlines,
    limits: limits.node,
    maxConnections: limits.maxConnectionsPerService,
    maxWaiting: limits.maxWaitingPerService,
    waitMs: limits.waitMs,
    idleMs: limits.idleMs,
  };
  const udsLimits = { ...limits.node, responseMs: limits.udsMs, bodyMs: limits.udsMs };
  const connections = createNodeConnections(pools);
  const questions = createNodeConnections({
    ...pools,
    limits: udsLimits,
    maxConnections: limits.maxUdsConnections,
  });
  const unifiedCm = createUnifiedCm({ ...options, fetch: createFetch(questions, limits.maxUdsBytes) });
  const stop = unifiedCm.onChange(() => {
    connections.prune(unifiedCm.nodes());
    questions.prune(unifiedCm.nodes());
  });
  const close = (): void => {
    stop();
    unifiedCm.close();
    connections.close();
    questions.close();
  };
  return { connections, unifiedCm, close };
}

/** Everything that decides who may do what. */
function openAccess(options: CoreHttpsOptions, unifiedCm: UnifiedCm) {
  const { limits, store, count, access: settings } = options;
  const { lifetimeMs, cleanupMs, maxEntries } = options.credentials;
  const now = (): number => options.clock.wall();
  const cache = createCredentialCache({ ttlMs: lifetimeMs, cleanupMs, maxEntries, now, count });
  const revocations = createRevocations({
    store,
    refreshMs: limits.revocationRefreshMs,
    keepMs: lifetimeMs,
    maxUsers: limits.maxRevocationsKept,
    now,
  });
  const sessions = createSessions({ keys: options.cookieKeys, lifetimeMs, revocations, now });
  const rate = createRateControl({ store, ...options.rateControl, now });
  const digest = options.digest && openDigest(options.digest, options, now);
  const authenticator = createAuthenticator({
    passwordCheck: (deployment, credentials) => unifiedCm.checkPassword(deployment, credentials),
    cache,
    rate,
    maxUsersAtOnce: limits.maxUsersAtOnce,
    maxWaitingPerUser: limits.maxWaitingPerUser,
    confirmed: (deployment, credentials) => digest?.secrets.remember(deployment, credentials),
    count,
  });
  const allowList = (): AllowList => unifiedCm.allowList();
  const tokens = settings.oauthWithRefresh ? openTokens(options, unifiedCm, revocations) : undefined;
  const sso = options.sso && createSignOnPlane(options.sso, { ...options, core: options.name, revocations });
  const simpleTokens = sso?.tokens;
  const guard = createSignInGuard(options.bans, now);
  const callers = { settings, authenticator, tokens, simpleTokens, guard };
  const revoke = async (user: string): Promise<number> => {
    cache.forget(user);
    digest?.secrets.forget(user);
    await revocations.revoke(user);
    return (await simpleTokens?.revoke({ user })) ?? 0;
  };
  const signOnServices =
    sso &&
    createSignOnServices({
      ...sso,
      ...options,
      serves: (domain) => sso.providers.of(domain) !== undefined,
      redirectUris: new Set(options.sso?.redirectUris),
      guard,
      rate,
      findUser: (deployment, user) => unifiedCm.findUser(deployment, user),
      revoke: async (user) => void (await revoke(user)),
      now,
    });
  return {
    cache,
    digest: digest?.door,
    tokens,
    callers,
    signIn: createSignIn({ ...callers, sessions }),
    async standing(deployment: string, user: string): Promise<UserStanding> {
      const revoked = await revocations.isRevoked(user, now() - lifetimeMs);
      return { limited: await rate.check(deployment, user), revoked };
    },
    lane: createLaneAccess({ ...callers, sessions, allowList }),
    onboarding: settings.activationCodeOnboarding
      ? createOnboarding({ ...options, paths: options.onboardingPaths, unifiedCm, guard, rate })
      : undefined,
    sso,
    signOnServices,
    signOnStatus: () =>
      sso === undefined
        ? ('off' as const)
        : {
            ownMetadata: sso.ownMetadata.status(),
            identityProviders: sso.providers.status(),
            signIns: signOnServices?.status(),
            tokens: sso.tokens.status(),
          },
    revoke,
  };
}

function openDigest(
  { algorithms, nonces }: DigestOptions,
  { credentials, edges, rateControl }: Pick<CoreHttpsOptions, 'credentials' | 'edges' | 'rateControl'>,
  now: () => number,
) {
  const secrets = createDigestSecrets({
    algorithms,
    realms: () => edges().map(({ address }) => address),
    ttlMs: credentials.lifetimeMs,
    maxUsers: credentials.maxEntries,
    now,
  });
  return {
    secrets,
    door: createDigestDoor({
      secrets,
      nonces: createNonces({ ...nonces, now }),
      algorithms,
      maxWrong: rateControl.maxLogins,
      periodMs: rateControl.periodMs,
      now,
    }),
  };
}

function openTokens(options: CoreHttpsOptions, unifiedCm: UnifiedCm, revocations: Revocations): Tokens {
  const { oauth, clock, log, count } = options;
  const now = (): number => clock.wall();
  const clusters = options.clusters.flatMap(({ name, deployment }) => {
    const source = oauth.keys.get(name);
    if (source === undefined) return [];
    const fetch = (): Promise<string> =>
      'document' in source
        ? Promise.resolve(source.document)
        : unifiedCm.document(name, source.path, source.account);
    return [{ cluster: name, deployment, fetch }];
  });
  const ring = createKeyRing({ ...oauth, clusters, now, log, count });
  return createTokens({ ...oauth, ring, revocations, now, count });
}
