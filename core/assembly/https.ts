// From core's configuration to the options of the HTTPS plane.
import type { Count, Log } from '../../admin/index.ts';
import { type AccessSettings, type BanList, checkAccessSettings } from '../../auth/index.ts';
import { CORE_LIMITS, HTTP_LIMITS, SIP_LIMITS, STORE_LIMITS } from '../../config/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import { type HeadLimits, USUAL_METHODS } from '../../http/index.ts';
import { systemClock } from '../../zones/index.ts';
import { edgeAddressOf } from '../https/index.ts';
import type { CoreHttpsLimits, CoreHttpsOptions, EdgeAddress } from '../https/index.ts';
import { ownRules } from './allow-list.ts';
import { clusterOptions } from './clusters.ts';
import { directories } from './ldap.ts';
import { oauthOptions } from './oauth.ts';
import type { Resolve } from './resolver.ts';
import { signOnOptions } from './sign-on.ts';
import type { CoreState } from './state.ts';

const head: HeadLimits = {
  maxHeadBytes: HTTP_LIMITS.maxInnerHeadBytes,
  maxTargetBytes: HTTP_LIMITS.maxTargetBytes,
  maxHeaders: HTTP_LIMITS.maxHeaders,
  maxHeaderNameBytes: HTTP_LIMITS.maxHeaderNameBytes,
};

/** Body and reader timeouts of core are above edge's, so that edge, which knows the client, decides first. */
const bodyMs = 300_000;

function limits(config: CoreConfig): CoreHttpsLimits {
  const { writeMs, maxBufferedBytes, sweepMs } = HTTP_LIMITS;
  return {
    channel: {
      ...head,
      methods: USUAL_METHODS,
      maxBodyBytes: Number.MAX_SAFE_INTEGER,
      idleMs: HTTP_LIMITS.channelIdleMs * 2,
      headMs: bodyMs,
      bodyMs,
      minBodyBytes: 1,
      writeMs: writeMs * 2,
      lingerBytes: HTTP_LIMITS.lingerBytes,
      lingerMs: HTTP_LIMITS.lingerMs,
      maxBufferedBytes,
      maxRequests: HTTP_LIMITS.maxRequestsPerConnection,
    },
    node: {
      ...head,
      responseMs: HTTP_LIMITS.responseMs,
      bodyMs,
      writeMs,
      maxBufferedBytes,
      maxInterim: HTTP_LIMITS.maxInterim,
    },
    maxConnectionsPerService: CORE_LIMITS.maxConnectionsPerService,
    maxWaitingPerService: CORE_LIMITS.maxWaitingPerService,
    waitMs: CORE_LIMITS.serviceWaitMs,
    idleMs: CORE_LIMITS.serviceIdleMs,
    maxUdsConnections: CORE_LIMITS.maxUdsConnections,
    udsMs: Math.max(...config.unifiedCm.map(({ requestTimeout }) => requestTimeout)),
    maxUdsBytes: CORE_LIMITS.maxUdsBytes,
    maxUsersAtOnce: CORE_LIMITS.maxUsersAtOnce,
    maxWaitingPerUser: CORE_LIMITS.maxWaitingPerUser,
    internalCheck: CORE_LIMITS.internalCheck,
    maxRevocationsKept: CORE_LIMITS.maxRevocationsKept,
    revocationRefreshMs: CORE_LIMITS.revocationRefreshMs,
    sweepMs,
  };
}

/** How clients reach the edges: what the configuration says, else what follows from the zone file. */
export function edgeAddresses(config: CoreConfig): readonly EdgeAddress[] {
  const peers = new Set(config.traversalZones.flatMap((zone) => zone.edges.map(({ name }) => name)));
  return [...peers].map((peer) => {
    const said = config.edges.find(({ name }) => name === peer);
    const ports = {
      httpsPort: said?.httpsPort ?? 8443,
      sipPort: said?.sipPort ?? 5061,
      xmppPort: config.xmpp.enabled ? (said?.xmppPort ?? 5222) : undefined,
    };
    const usual = edgeAddressOf(said?.publicName ?? peer, ports);
    return { ...usual, peer, cookieDomain: said?.cookieDomain ?? usual.cookieDomain };
  });
}

/** The switch for passwords is on by default, and has no effect where the path leaves no room for them. */
function offersCredentials(path: CoreConfig['access']['authentication']): boolean {
  return path === 'ucm-ldap' || path === 'saml-and-ucm-ldap';
}

/** Which ways of signing in are offered. @throws Error when one is switched on that does not exist yet. */
export function accessSettings({ access }: Pick<CoreConfig, 'access'>): AccessSettings {
  const settings: AccessSettings = {
    authenticationPath: access.authentication,
    userCredential: offersCredentials(access.authentication) && access.authorizeByUserCredential,
    internalCheck: access.internalAuthenticationCheck,
    oauthWithRefresh: access.authorizeByOauthTokenWithRefresh,
    oauthSimple: access.authorizeByOauthToken,
    activationCodeOnboarding: access.activationCodeOnboarding,
    embeddedSafari: access.iosEmbeddedSafari,
    clientRedirectUri: access.clientRedirectUri,
    sipTokenExtraTtlS: access.sipTokenExtraTimeToLive / 1000,
  };
  const problems = checkAccessSettings(settings).map(({ setting, text }) => `access: ${setting} ${text}`);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return settings;
}

/** Options of the HTTPS plane. */
export function coreHttpsOptions(
  config: CoreConfig,
  state: CoreState,
  resolve: Resolve,
  bans: BanList,
  observers: { readonly log: Log; readonly count: Count },
): CoreHttpsOptions {
  const { core, credentials, rateControl, sip } = config;
  const edges = edgeAddresses(config);
  const { certificate } = sip;
  return {
    ...observers,
    name: core.name,
    sip: { address: sip.address, tlsPort: sip.tlsPort },
    domains: new Map(config.domains.map(({ name, deployment }) => [name, deployment])),
    clusters: clusterOptions(config),
    rules: ownRules(config),
    directories: directories(config, resolve, observers.count),
    redirectHosts: edges.map(({ address }) => address),
    access: accessSettings(config),
    onboardingPaths: config.access.onboardingPaths,
    oauth: oauthOptions(config),
    digest:
      sip.registerAuthentication === 'core'
        ? { algorithms: sip.digestAlgorithms, nonces: SIP_LIMITS.nonces }
        : undefined,
    sso: signOnOptions(config, state, edges),
    bans,
    credentials: {
      lifetimeMs: credentials.lifetime,
      cleanupMs: credentials.purgeInterval,
      maxEntries: credentials.maxEntries,
      cookieExpires: credentials.cookieExpires,
      cookieHttpOnly: credentials.cookieHttpOnly,
    },
    rateControl: { maxLogins: rateControl.logins, periodMs: rateControl.period },
    cookieKeys: [state.cookieKey],
    store: state.store.namespace('access', {
      maxEntries: CORE_LIMITS.maxCounters,
      maxEntryLength: STORE_LIMITS.maxEntryLength,
      whenFull: 'evict',
      durable: true,
    }),
    edges: () => edges,
    edgeOf: (peer) => {
      const found = edges.find((edge) => edge.peer === peer.name);
      if (found === undefined) throw new Error(`${peer.name} is no edge of this core's zones`);
      return found;
    },
    dialer: {
      connectMs: Math.min(...config.unifiedCm.map(({ requestTimeout }) => requestTimeout)),
      identity: certificate && { chain: certificate.chain.reveal(), key: certificate.key.reveal() },
    },
    limits: limits(config),
    resolve,
    clock: systemClock,
  };
}
