// The SIP plane of core: links to the edges, connections to call control, bindings, dialogs and the proxy between.
// RFC 3261 §16, RFC 3327, RFC 5626. Trust: edges and nodes as pinned and discovered; clients behind the edges by what
// registrars granted them. Memory: `maxRegistrations`, `maxDialogs`, `maxTransactions` and one message per connection.
import type { TLSSocket } from 'node:tls';
import {
  BranchMaker,
  LinkWait,
  stampArrival,
  type Arrival,
  type LinkWaitLimits,
} from '../../sip/hop/index.ts';
import {
  RFC_TIMINGS,
  SipConnection,
  SipParseError,
  TransactionLayer,
  type Clock,
  type KeepaliveOptions,
  type RandomBytes,
  type SipRequest,
  type SipResponse,
  type SipTransport,
  type TimerHandle,
} from '../../sip/index.ts';
import { journalTo, restoreBindings, type BindingSpace } from './binding-journal.ts';
import { BindingTable } from './binding-table.ts';
import { CoreProxy } from './core-proxy.ts';
import { DialogTable, type Dialog } from './dialog-table.ts';
import type { EdgeIdentity } from './edge-identity.ts';
import type { CoreHop } from './hop-identity.ts';
import type { MediaAnchor } from './media-anchor.ts';
import { NodeConnections, type InsideTls } from './node-connections.ts';
import { NodeDirectory, type SipNode } from './node-directory.ts';
import type { EdgeLink } from './outgoing.ts';
import type { DigestJudge } from './register-digest.ts';
import type { TokenJudge } from './register-token.ts';
import { RecordLines, type LineRates } from './record-lines.ts';
import type { CoreRefusal } from './verdict.ts';

/** The part of a logger that is used here. */
export interface SipLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

export interface CoreSipOptions extends LinkWaitLimits, LineRates {
  /** Pinned name of this core, as edges and clients hold it in a Route. */
  readonly name: string;
  /** Address and ports that call control sees: Contact, Via, Record-Route. */
  readonly announced: { readonly host: string; readonly tcpPort: number; readonly tlsPort: number };
  /** Where call control connects back. Port 0 binds any. */
  readonly listen: { readonly host: string; readonly tcpPort: number; readonly tlsPort: number };
  /** Without it the TLS port stays closed and nodes over TLS are shown no certificate. */
  readonly tls: InsideTls | undefined;
  readonly authorities: string | Buffer | undefined;
  readonly requireNodeCertificate: boolean;
  readonly insidePeers: 'nodes' | 'any';
  /** Discovered nodes; a new array when discovery has changed them. */
  readonly nodes: () => readonly SipNode[];
  /** Domains whose calls go to the nodes; a new array when they change. */
  readonly servedDomains: () => readonly string[];
  readonly pathHeaders: boolean;
  readonly requireRegistration: boolean;
  /** Judges the bearer token that a REGISTER carries; undefined: call control alone does. */
  readonly tokens: TokenJudge | undefined;
  /** Asks a REGISTER without a token for proof; undefined: call control does. */
  readonly digest: DigestJudge | undefined;
  /** The deployment's dial policy for requests that begin something (T-064). */
  readonly policy:
    | ((
        request: SipRequest,
        aor: string,
        isOurs: (host: string) => boolean,
      ) => { status: number; reason: string } | undefined)
    | undefined;
  readonly hopCount: number;
  readonly maxMessageBytes: number;
  readonly maxHeaderLines: number;
  readonly maxQueueBytes: number;
  readonly maxTransactions: number;
  readonly maxRegistrations: number;
  readonly maxRegistrationsPerConnection: number;
  readonly maxRegistrationsPerUser: number;
  readonly maxDialogs: number;
  readonly maxCallsPerUser: number;
  readonly maxUsagesPerUser: number;
  readonly maxInsideConnections: number;
  readonly connectTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly setupTimeoutMs: number;
  readonly acknowledgeTimeoutMs: number;
  readonly maxSilenceMs: number;
  readonly lingerMs: number;
  /** How long a node that could not be reached is asked last. */
  readonly avoidNodeMs: number;
  /** How long a registration may be late before it is forgotten. */
  readonly expiryGraceMs: number;
  readonly linkKeepalive: KeepaliveOptions;
  readonly nodeKeepalive: KeepaliveOptions | undefined;
  readonly media: MediaAnchor;
  /** Whether the zone of an edge lets keys and candidates of a call go on as they came (ICE passthrough). */
  readonly passesIce: (edge: EdgeIdentity) => boolean;
  /** Where bindings outlive the process; undefined: nowhere. */
  readonly store: BindingSpace | undefined;
  readonly clock: Clock;
  /** Wall-clock milliseconds: bindings outlive the process. */
  readonly wallClock: () => number;
  readonly random: RandomBytes;
  readonly randomUuid: () => string;
  readonly answerStun: (request: Buffer, source: { address: string; port: number }) => Buffer | undefined;
  readonly log: SipLog;
  readonly count: (event: string, reason?: string) => void;
  readonly onRefused: (kind: CoreRefusal, source: string) => void;
}

const sweepMs = 1000;
const tickMs = 50;

/** Registrations shown to an operator who asks for one. */
const maxListed = 100;

export class CoreSip {
  readonly #options: CoreSipOptions;
  readonly #bindings: BindingTable;
  readonly #dialogs: DialogTable;
  readonly #links = new Map<string, EdgeLink & { readonly connection: SipConnection }>();
  readonly #nodes: NodeConnections;
  readonly #proxy: CoreProxy;
  readonly #layer: TransactionLayer;
  readonly #linkWait: LinkWait;
  readonly #lines: RecordLines;
  /** Edges whose link was up and is down. */
  readonly #missing = new Set<string>();
  #lastLink = 0;
  #sweep: TimerHandle | undefined;
  #isClosed = false;

  constructor(options: CoreSipOptions) {
    this.#options = options;
    const { random, count, store } = options;
    const hop = hopOf(options);
    const directory = new NodeDirectory({ ...options, avoidMs: options.avoidNodeMs });
    const lines = new RecordLines(options.log, options, options.clock, count);
    this.#lines = lines;
    this.#bindings = new BindingTable({
      onBound: (binding, before) => {
        lines.registered(binding, before);
        queueMicrotask(() => this.#linkWait.ownerBack(binding.aor)); // after the answer that grants it
      },
      onUnbound: (binding, reason) => lines.unregistered(binding, reason),
      maxBindings: options.maxRegistrations,
      maxPerFlow: options.maxRegistrationsPerConnection,
      maxPerAor: options.maxRegistrationsPerUser,
      randomId: () => random(8).toString('hex'),
      journal: store && journalTo(store, count),
    });
    this.#dialogs = new DialogTable(options, (dialog, reason, nowMs) => {
      if (dialog.kind === 'call') lines.callEnded(dialog, reason, nowMs);
    });
    this.#linkWait = new LinkWait(options, options.clock, count);
    this.#nodes = this.#makeNodes(hop, directory);
    this.#proxy = this.#makeProxy(hop, directory);
    this.#layer = this.#makeLayer();
    this.#proxy.useLayer(this.#layer);
  }

  /** Brings stored bindings back and opens the inside ports; rejects when one cannot be bound. */
  async listen(): Promise<{ tcp: number; tls: number | undefined }> {
    const { store, wallClock, log } = this.#options;
    if (store !== undefined) {
      const restored = await restoreBindings(store, this.#bindings, wallClock());
      if (restored > 0) log.info({ restored }, 'registrations are back from the store');
    }
    const ports = await this.#nodes.listen();
    this.#scheduleSweep();
    return ports;
  }

  /** A fresh authenticated 7001 connection; owned from here on. A newer one to the same edge replaces the older. */
  onSip(socket: TLSSocket, peer: EdgeIdentity): void {
    const { limits, linkKeepalive, maxQueueBytes, closeTimeoutMs, clock, count } = {
      ...this.#options,
      limits: limitsOf(this.#options),
    };
    const from = {
      address: socket.remoteAddress ?? '0.0.0.0',
      port: socket.remotePort ?? 0,
      ingressZone: peer.zone,
      ingressZoneId: peer.zoneId,
    };
    this.#lastLink += 1;
    const connection: SipConnection = new SipConnection(
      socket,
      {
        id: `e${this.#lastLink}`,
        scope: linkScope(peer.name),
        limits,
        maxQueueBytes,
        closeTimeoutMs,
        clock,
        keepalive: linkKeepalive,
        count: (event, fault) => count(`sip-${event}`, fault),
      },
      {
        onMessage: (message) => {
          this.#receive(message, connection, from);
        },
        onClose: (reason) => this.#linkClosed(peer, connection, reason),
      },
    );
    const replaced = this.#links.get(peer.name);
    this.#links.set(peer.name, { peer, transport: connection, connection });
    this.#missing.delete(peer.name);
    this.#proxy.enter(connection, { kind: 'edge', peer });
    replaced?.connection.close('replaced by a newer link');
    this.#options.log.info({ edge: peer.name, zone: peer.zone }, 'SIP link to edge is up');
    this.#linkWait.linkUp();
  }

  /** Ends the call whose media is gone for good; `callId` and user as they were given to the media anchor. */
  endCall(call: { callId: string; key: string }, reason: string): void {
    for (const dialog of this.#dialogs.all()) {
      if (dialog.callId === call.callId && dialog.aor === call.key) this.#proxy.hangUp(dialog, reason);
    }
  }

  /** Registrations of an address of record, or of a device whose instance or contact holds this text. */
  registrations(
    whose: string,
  ): { aor: string; instance: string; edge: string; node: string; expires: string }[] {
    const wanted = whose.toLowerCase();
    return [...this.#bindings.all()]
      .filter(({ aor, instance, contact }) =>
        [aor, instance, contact].some((text) => text.toLowerCase().includes(wanted)),
      )
      .slice(0, maxListed)
      .map(({ aor, instance, flow, node, expiresAtMs }) => {
        return { aor, instance, edge: flow.edge, node, expires: new Date(expiresAtMs).toISOString() };
      });
  }

  status(): {
    registrations: number;
    dialogs: number;
    transactions: number;
    edges: string[];
    nodes: { outbound: number; inbound: number };
  } {
    return {
      registrations: this.#bindings.size,
      dialogs: this.#dialogs.size,
      transactions: this.#layer.size,
      edges: [...this.#links.keys()],
      nodes: this.#nodes.counts(),
    };
  }

  /** Closes ports, connections and calls' media; idempotent. Bindings stay in the store. */
  async close(reason: string): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#sweep !== undefined) this.#options.clock.clearTimer(this.#sweep);
    this.#linkWait.close();
    this.#layer.close();
    for (const dialog of this.#dialogs.all()) dialog.media?.close(reason);
    for (const link of this.#links.values()) link.connection.close(reason);
    await this.#nodes.close(reason);
  }

  #makeProxy(hop: CoreHop, directory: NodeDirectory): CoreProxy {
    const options = this.#options;
    return new CoreProxy({
      hop,
      bindings: this.#bindings,
      dialogs: this.#dialogs,
      directory,
      requireRegistration: options.requireRegistration,
      policy: options.policy,
      tokens: options.tokens,
      digest: options.digest,
      linkTo: (edge) => this.#links.get(edge),
      nowMs: options.wallClock,
      media: options.media,
      linkWait: this.#linkWait,
      lines: this.#lines,
      passesIce: options.passesIce,
      isLinkMissing: () => this.#missing.size > 0,
      pathHeaders: options.pathHeaders,
      setupTimeoutMs: options.setupTimeoutMs,
      expiryGraceMs: options.expiryGraceMs,
      connectionTo: (node) => this.#nodes.to(node),
      suspect: (node) => this.#nodes.suspect(node),
      selfConnection: () => this.#nodes.self(),
      count: options.count,
      onRefused: options.onRefused,
    });
  }

  #makeNodes(hop: CoreHop, directory: NodeDirectory): NodeConnections {
    const options = this.#options;
    return new NodeConnections({
      hop,
      directory,
      bindHost: options.listen.host,
      listenPorts: { tcp: options.listen.tcpPort, tls: options.listen.tlsPort },
      tls: options.tls,
      authorities: options.authorities,
      requireNodeCertificate: options.requireNodeCertificate,
      insidePeers: options.insidePeers,
      connectTimeoutMs: options.connectTimeoutMs,
      maxInbound: options.maxInsideConnections,
      limits: limitsOf(options),
      maxQueueBytes: options.maxQueueBytes,
      closeTimeoutMs: options.closeTimeoutMs,
      keepalive: options.nodeKeepalive,
      clock: options.clock,
      answerStun: options.answerStun,
      count: options.count,
      log: options.log,
      onOpen: (transport, origin) => this.#proxy.enter(transport, origin),
      onMessage: (message, transport, { address, port, zone }) =>
        this.#receive(message, transport, { address, port, ingressZone: zone, ingressZoneId: undefined }),
      onClose: (transport) => this.#transportClosed(transport),
    });
  }

  #makeLayer(): TransactionLayer {
    const { maxTransactions, clock, random, count } = this.#options;
    return new TransactionLayer(
      {
        timings: RFC_TIMINGS,
        maxTransactions,
        retryAfterSeconds: 5,
        tickMs,
        clock,
        random,
        count: (event) => count('transaction', event),
        sendsTrying: true,
        findTransport: (scope) => this.#findTransport(scope),
      },
      this.#proxy,
    );
  }

  /** Whatever a message makes a parser say on the way ends with that message. */
  #receive(message: SipRequest | SipResponse, transport: SipTransport, from: Arrival): void {
    try {
      if (message.kind === 'request') stampArrival(message.headers, from);
      this.#layer.receive(message, transport);
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error;
      this.#options.count('message-unreadable');
    }
  }

  #findTransport(scope: string): SipTransport | undefined {
    for (const link of this.#links.values()) if (link.connection.scope === scope) return link.connection;
    return this.#nodes.find(scope);
  }

  #linkClosed(peer: EdgeIdentity, connection: SipConnection, reason: string): void {
    if (this.#links.get(peer.name)?.connection === connection) {
      this.#links.delete(peer.name);
      this.#missing.add(peer.name);
      this.#proxy.linkLost(peer.name);
    }
    this.#transportClosed(connection);
    this.#options.log.warn({ edge: peer.name, zone: peer.zone, reason }, 'SIP link to edge is down');
  }

  #transportClosed(transport: SipTransport): void {
    this.#proxy.leave(transport);
    this.#layer.transportClosed(transport);
  }

  #scheduleSweep(): void {
    this.#sweep = this.#options.clock.setTimer(() => {
      this.sweep();
      if (!this.#isClosed) this.#scheduleSweep();
    }, sweepMs);
  }

  /** Ends what is overdue: registrations not refreshed, calls never answered or acknowledged. Runs each second. */
  sweep(): void {
    const nowMs = this.#options.wallClock();
    const expired = this.#bindings.expire(nowMs);
    if (expired.length > 0) this.#options.count('registration-expired');
    for (const dialog of this.#dialogs.sweep(nowMs)) this.#proxy.hangUp(dialog, overdueReason(dialog));
  }
}

function overdueReason(dialog: Dialog): string {
  if (dialog.state === 'early') return 'Setup Timeout';
  return dialog.state === 'accepted' ? 'Never Acknowledged' : 'Silent Too Long';
}

function linkScope(edge: string): string {
  return `edge ${edge}`;
}

function limitsOf({ maxMessageBytes, maxHeaderLines }: CoreSipOptions) {
  return { maxMessageBytes, maxHeaderLines };
}

function hopOf({ name, announced, hopCount, random, randomUuid }: CoreSipOptions): CoreHop {
  const host = announced.host.toLowerCase();
  return {
    edgeSide: { host: name.toLowerCase(), port: 5061, transport: 'tls' },
    inside: {
      tcp: { host, port: announced.tcpPort, transport: 'tcp' },
      tls: { host, port: announced.tlsPort, transport: 'tls' },
    },
    hopCount,
    branches: new BranchMaker(random(12).toString('hex')),
    randomUuid,
  };
}
