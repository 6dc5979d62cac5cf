// Core, put together: what is built and what is plugged into what. The process inside; it dials the edges, decides every
// request again and speaks to call control. Order of opening: what answers first, the links to the edges last.
import { adminPart, createDecisions, createMetrics, openLog, openParts } from '../admin/index.ts';
import type { Log, Metrics, Part } from '../admin/index.ts';
import { type CoreConfig, MAX_DECISION_BYTES } from '../config/index.ts';
import { createTraversalClient } from '../zones/index.ts';
import type { PeerIdentity, TraversalClient } from '../zones/index.ts';
import { coreAccessDesk, coreRuleBook } from './assembly/access-desk.ts';
import { coreBans } from './assembly/bans.ts';
import { coreHttpsOptions } from './assembly/https.ts';
import { coreLinkOptions } from './assembly/links.ts';
import { iceCounters } from './assembly/ice.ts';
import { coreMediaOptions, inactivity } from './assembly/media.ts';
import { createResolve } from './assembly/resolver.ts';
import { coreSipOptions } from './assembly/sip.ts';
import { openState } from './assembly/state.ts';
import type { CoreState } from './assembly/state.ts';
import { coreFederationOptions } from './assembly/federation.ts';
import { coreXmppOptions } from './assembly/xmpp.ts';
import { createCoreHttps } from './https/index.ts';
import { CoreMedia } from './media/index.ts';
import { CoreSip } from './sip/index.ts';
import type { ClusterStatus } from './unified-cm/index.ts';
import { CoreFederation } from './xmpp/federation/index.ts';
import { CoreXmpp } from './xmpp/index.ts';

/** A running core. */
export interface Core {
  close(reason: string): Promise<void>;
}

/** Starts a core; resolves once it listens inside and dials. @throws when it cannot listen, with nothing left open. */
export async function startCore(config: CoreConfig): Promise<Core> {
  const output = openLog({ level: config.log.level, role: 'core', self: config.core.name });
  const log = output.log('core');
  try {
    const metrics = createMetrics();
    metrics.gauge('log_lines_dropped', 'Log lines that found no room', output.dropped);
    const observers = { log: output.log('state'), count: metrics.counter('state') };
    const state = await openState(config.stateDirectory, observers);
    const close = await openParts(assemble(config, state, metrics, output.log));
    log.info({ name: config.core.name }, 'core is open');
    return {
      close: async (reason) => {
        log.info({ reason }, 'core is closing');
        await close();
        output.flush();
      },
    };
  } catch (error) {
    output.flush();
    throw error;
  }
}

function assemble(
  config: CoreConfig,
  state: CoreState,
  metrics: Metrics,
  log: (component: string) => Log,
): readonly Part[] {
  const observers = (component: string) => ({ log: log(component), count: metrics.counter(component) });
  const clients: TraversalClient[] = [];
  const resolve = createResolve(config.dnsServers);
  const edges = () => clients.flatMap((client) => client.edges());

  const bans = coreBans(config, state.store, () => edges().map(({ control }) => control), observers('bans'));
  const decisions = createDecisions(MAX_DECISION_BYTES, Date.now);
  const seen = { ...observers('https'), log: decisions.tee(log('https')) };
  const https = createCoreHttps(coreHttpsOptions(config, state, resolve, bans.list, seen));
  const rules = coreRuleBook(config, state.store, https.unifiedCm, log('https'));
  const ice = iceCounters(state, metrics.counter('media'));
  const media = new CoreMedia(
    coreMediaOptions(
      config,
      {
        reportMedia: (edge, status) => clients.forEach((client) => client.reportMedia(edge, status)),
        onInactive: inactivity(config.media.onInactivity, observers('media'), (call, reason) =>
          sip.endCall(call, reason),
        ),
        onLost: (call) => sip.endCall(call, 'media was lost at edge'),
        onIceCall: (call) => ice.ended(call),
      },
      resolve,
      observers('media'),
    ),
  );
  const sip: CoreSip = new CoreSip(
    coreSipOptions(config, {
      nodes: () => https.unifiedCm.sipZones(),
      media,
      state,
      tokens: https.tokens,
      digest: https.digest,
      simpleTokens: https.simpleTokens,
      ...observers('sip'),
    }),
  );
  const federationOptions = coreFederationOptions(
    config,
    { resolve, edges: () => edges().map(({ control }) => control) },
    observers('federation'),
  );
  const federation = federationOptions && new CoreFederation(federationOptions);
  const xmppOptions = coreXmppOptions(
    config,
    {
      resolve,
      tokens: https.tokens,
      bans: bans.list,
      onOther: federation && ((stream, path, peer) => federation.onStream(stream, path, peer)),
    },
    observers('xmpp'),
  );
  const xmpp = xmppOptions && new CoreXmpp(xmppOptions);
  const plugs = {
    onSip: sip.onSip.bind(sip),
    onXmpp: xmpp?.onXmpp.bind(xmpp),
    onHttp: https.serve.bind(https),
    controlHandlers: { ...media.controlHandlers, ...bans.controlHandlers },
    onPeerUp: (peer: PeerIdentity) => {
      const edge = edges().find(({ identity }) => identity.name === peer.name);
      if (edge === undefined) return;
      void media.peerUp(edge.control);
      bans.edgeUp(edge.control);
      federation?.peerUp(edge.control);
    },
    onPeerDown: (peer: PeerIdentity) => media.peerDown(peer),
  };
  for (const zone of config.traversalZones) {
    clients.push(createTraversalClient(coreLinkOptions(config, zone, plugs, observers('link'))));
  }
  const closing = 'core is closing';
  return [
    { open: () => bans.open(), close: () => state.store.close() },
    { open: () => rules.open(), close: () => undefined },
    { open: () => https.start(), close: () => https.close(closing) },
    { open: () => ice.open(), close: () => media.close(closing) },
    { open: () => sip.listen(), close: () => sip.close(closing) },
    ...(federation ? [{ open: () => federation.listen(), close: () => federation.close(closing) }] : []),
    ...clients.map((client) => ({ open: () => client.start(), close: () => client.close(closing) })),
    ...(xmpp ? [{ open: () => undefined, close: () => xmpp.close(closing) }] : []),
    adminPart({
      ...config.admin,
      title: `Viaduct core ${config.core.name}`,
      metrics,
      healthy: () => edges().length > 0,
      ...(config.admin.captureMedia && { capture: (order) => media.capture(order) }),
      status: () => ({
        core: config.core.name,
        state: state.health() || 'good',
        zones: clients.flatMap((client) => client.status()),
        callControl: https.unifiedCm.status().map(withoutTrust),
        https: https.stats(),
        intrusion: bans.list.status(),
        sip: sip.status(),
        media: media.status(),
        icePassthrough: ice.status(),
        xmpp: xmpp?.status() ?? 'off',
        federation: federation?.status() ?? 'off',
      }),
      unblock: (id) => bans.list.unblock(id),
      access: coreAccessDesk(
        config,
        {
          config,
          https,
          registrations: (whose) => sip.registrations(whose),
          bans: bans.list,
          decisions,
          edges,
        },
        rules,
        https.unifiedCm,
      ),
      tokens: {
        list: (user) => https.listTokens(user),
        revoke: (which) => ('id' in which ? https.revokeToken(which.id) : https.revoke(which.user)),
      },
    }),
  ];
}

/** What an operator wants to see of a cluster; the PEM of its authorities is not it. */
function withoutTrust({ cluster, deployment, discovered, nodes }: ClusterStatus): object {
  const shown = nodes.map(({ name, kinds, addresses, reach }) => ({ name, kinds, addresses, reach }));
  return { cluster, deployment, discovered, nodes: shown };
}
