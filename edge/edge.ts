// The edge, put together: what is built and what is plugged into what. The process in the DMZ; decides nothing, holds no
// secret of call control. Order of opening: the links first, so that a client that gets in meets a core; doors last.
import { adminPart, createDecisions, createMetrics, openLog, openParts } from '../admin/index.ts';
import type { Log, Metrics, Part } from '../admin/index.ts';
import { edgeBanHandlers, ownBans, reportToCores, sendBans } from '../auth/index.ts';
import { type EdgeConfig, MAX_DECISION_BYTES } from '../config/index.ts';
import { TurnServer } from '../turn/index.ts';
import { createTraversalServer } from '../zones/index.ts';
import type { TraversalServer, ZonePlugs } from '../zones/index.ts';
import { edgeAccessDesk, explainHandlers } from './assembly/access-desk.ts';
import { edgeBans, linkStrangers, packetFilter, turnGuard } from './assembly/bans.ts';
import { edgeFederationOptions } from './assembly/federation.ts';
import { httpsDoorOptions } from './assembly/https.ts';
import { edgeLinkOptions } from './assembly/links.ts';
import { edgeMediaOptions } from './assembly/media.ts';
import { edgeSipOptions } from './assembly/sip.ts';
import { turnAtHttps, turnServerOptions } from './assembly/turn.ts';
import { edgeXmppOptions, webSocketDoor } from './assembly/xmpp.ts';
import { createHttpsDoor } from './https/index.ts';
import { EdgeMedia } from './media/index.ts';
import { EdgeSip } from './sip/index.ts';
import { EdgeFederation } from './xmpp/federation/index.ts';
import { EdgeXmpp } from './xmpp/index.ts';

/** A running edge. */
export interface Edge {
  close(reason: string): Promise<void>;
}

/** Starts an edge; resolves once every door is open. @throws when a door cannot be opened, with nothing left open. */
export async function startEdge(config: EdgeConfig): Promise<Edge> {
  const output = openLog({ level: config.log.level, role: 'edge', self: config.edge.name });
  const log = output.log('edge');
  try {
    const metrics = createMetrics();
    metrics.gauge('log_lines_dropped', 'Log lines that found no room', output.dropped);
    const close = await openParts(assemble(config, metrics, output.log));
    log.info({ name: config.edge.name }, 'edge is open');
    return {
      close: async (reason) => {
        log.info({ reason }, 'edge is closing');
        await close();
        output.flush();
      },
    };
  } catch (error) {
    output.flush();
    throw error;
  }
}

function assemble(config: EdgeConfig, metrics: Metrics, log: (component: string) => Log): readonly Part[] {
  const observers = (component: string) => ({ log: log(component), count: metrics.counter(component) });
  const servers: TraversalServer[] = [];
  const cores = () => servers.flatMap((server) => server.cores());

  const bans = edgeBans(config, observers('bans'));
  reportToCores(bans, () => cores().map(({ control }) => control), Date.now);
  const decisions = createDecisions(MAX_DECISION_BYTES, Date.now);
  const filter = packetFilter(config, bans, observers('bans'));
  const sip = new EdgeSip(edgeSipOptions(config, bans, observers('sip')));
  const media = new EdgeMedia(
    edgeMediaOptions(
      config,
      (core, status) => servers.forEach((server) => server.reportMedia(core, status)),
      observers('media'),
    ),
  );
  const xmppOptions = edgeXmppOptions(config, bans, observers('xmpp'));
  const xmpp = xmppOptions && new EdgeXmpp(xmppOptions);
  const federationOptions =
    xmpp &&
    edgeFederationOptions(
      config,
      { bans, openLink: (core, path) => xmpp.openStream(core, path) },
      observers('federation'),
    );
  const federation = federationOptions && new EdgeFederation(federationOptions);
  const plugs: ZonePlugs = {
    onSip: (socket, peer) => sip.onSip(socket, peer),
    onXmpp: xmpp && ((socket, peer) => xmpp.onXmpp(socket, peer)),
    controlHandlers: {
      ...media.controlHandlers,
      ...edgeBanHandlers(bans, Date.now),
      ...explainHandlers(decisions),
      ...federation?.controlHandlers,
    },
    onPeerUp: (peer) => {
      const core = cores().find(({ identity }) => identity.name === peer.name);
      if (core !== undefined) void sendBans(core.control, 'ban.report', ownBans(bans), Date.now);
    },
    onPeerDown: (peer) => {
      media.peerDown(peer);
      federation?.peerDown(peer.name);
    },
  };
  for (const zone of config.traversalZones) {
    servers.push(
      createTraversalServer(edgeLinkOptions(config, zone, plugs, linkStrangers(bans), observers('link'))),
    );
  }
  const turnOptions = turnServerOptions(config, turnGuard(bans), observers('turn'));
  const turn = turnOptions && new TurnServer(turnOptions);
  const atHttps = turnAtHttps(config, turn);
  const webSocket = xmpp && webSocketDoor(config, xmpp);
  const beside = { other: atHttps, webSocket };
  const https = createHttpsDoor(
    httpsDoorOptions(config, cores, bans, beside, {
      ...observers('https'),
      log: decisions.tee(log('https')),
    }),
  );
  const closing = 'edge is closing';
  return [
    ...(filter ? [{ open: () => filter.open(), close: () => filter.close() }] : []),
    { open: () => media.listen(), close: () => media.close(closing) },
    ...servers.map((server) => ({ open: () => server.listen(), close: () => server.close(closing) })),
    ...(turn ? [{ open: () => turn.listen(), close: () => turn.close(closing) }] : []),
    { open: () => sip.listen(), close: () => sip.close(closing) },
    { open: () => https.listen(), close: () => https.close(closing) },
    ...(xmpp ? [{ open: () => xmpp.listen(), close: () => xmpp.close(closing) }] : []),
    ...(federation ? [{ open: () => federation.listen(), close: () => federation.close(closing) }] : []),
    adminPart({
      ...config.admin,
      title: `Viaduct edge ${config.edge.name}`,
      metrics,
      healthy: () => cores().length > 0,
      status: () => ({
        edge: config.edge.name,
        zones: servers.flatMap((server) => server.status()),
        https: https.stats(),
        intrusion: { ...bans.status(), packetFilter: filter ? filter.health() || 'good' : 'off' },
        sip: sip.status(),
        media: media.status(),
        turn: turn?.status() ?? 'off',
        xmpp: xmpp?.status() ?? 'off',
        federation: federation?.status() ?? 'off',
      }),
      unblock: (id) => bans.unblock(id),
      access: edgeAccessDesk(bans, decisions),
    }),
  ];
}
