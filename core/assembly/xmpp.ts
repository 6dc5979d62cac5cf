// From core's configuration to the options of the messaging plane. A domain is served by the IM and Presence nodes of the
// clusters of its deployment.
import type { Count, Log } from '../../admin/index.ts';
import { type BanList, createSignInGuard, type Tokens } from '../../auth/index.ts';
import { XMPP_LIMITS } from '../../config/index.ts';
import type { CoreConfig } from '../../config/index.ts';
import { systemClock } from '../../zones/index.ts';
import type { CoreXmppOptions, XmppDomain, XmppNode } from '../xmpp/index.ts';
import type { Resolve } from './resolver.ts';

/** Largest stanza that an edge may let pass (its `max-stanza` at most). */
export const MAX_STANZA_OF_EDGES = 4 * 1024 * 1024;

/** The messaging servers of a deployment. */
export function imPresenceNodes(config: CoreConfig, deployment: string): readonly XmppNode[] {
  return config.unifiedCm
    .filter((cluster) => cluster.deployment === deployment)
    .flatMap((cluster) =>
      cluster.staticNodes
        .filter(({ kind }) => kind === 'im-presence')
        .map(({ name, address }) => ({ name, address, trust: cluster.authority?.reveal() })),
    );
}

/** What stanzas of a deployment may carry. */
function rulesOf({ xmpp }: CoreConfig, deployment: string): XmppDomain['rules'] {
  const said = xmpp.allowedNamespaces.find((row) => row.deployment === deployment);
  return {
    allowedNamespaces: said && new Set(said.namespaces),
    isPeerFileTransferAllowed: xmpp.peerToPeerFiles,
  };
}

/** Options of the messaging plane; undefined when it is off. */
export function coreXmppOptions(
  config: CoreConfig,
  around: {
    readonly resolve: Resolve;
    readonly tokens: Tokens | undefined;
    readonly bans: BanList;
    /** Takes streams of federation. */
    readonly onOther: CoreXmppOptions['onOther'];
  },
  observers: { readonly log: Log; readonly count: Count },
): CoreXmppOptions | undefined {
  const { domains, links, xmpp } = config;
  if (!xmpp.enabled) return undefined;
  const { tokens } = around;
  const { printedAnew, session, signIn } = XMPP_LIMITS;
  return {
    ...observers,
    domains: domains.map(({ name, deployment, messaging }) => ({
      name,
      deployment,
      isMessagingOn: messaging,
      rules: rulesOf(config, deployment),
      nodes: imPresenceNodes(config, deployment),
    })),
    port: xmpp.port,
    connectTimeoutMs: xmpp.connectTimeout,
    serverLimits: XMPP_LIMITS.server,
    signInLimits: { ...signIn, maxElementLength: signIn.maxElementLength * printedAnew },
    sessionLimits: { ...session, maxElementLength: MAX_STANZA_OF_EDGES * printedAnew },
    maxFrameBytes: XMPP_LIMITS.maxFrameBytes,
    maxSessions: xmpp.maxSessions,
    maxSessionsPerUser: xmpp.maxSessionsPerUser,
    maxFailedSignIns: xmpp.maxFailedSignIns,
    avoidNodeMs: xmpp.avoidNode,
    link: { pingIntervalMs: links.pingInterval, deadAfterMs: links.deadAfter },
    tokens: tokens && ((deployment, token) => tokens.check(deployment, token, 'xmpp')),
    guard: createSignInGuard(around.bans, Date.now, 'xmpp-auth'),
    resolve: around.resolve,
    onOther: around.onOther,
    clock: systemClock,
  };
}
