// The SIP plane of edge: the TLS 5061 door, the client connections behind it, the links to the cores and the proxy
// between. RFC 3261 §16, RFC 5626, RFC 3581. Trust: clients none, cores as pinned at pairing. Memory before a
// registration: `maxUnproven` connections of one message each, and a small share of transactions per connection.
import { createSecretKey } from 'node:crypto';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { BranchMaker, LinkWait, stampArrival, type LinkWaitLimits } from '../../sip/hop/index.ts';
import {
  createResponse,
  LineBudget,
  RFC_TIMINGS,
  SipConnection,
  SipParseError,
  statelessTag,
  TransactionLayer,
  type Clock,
  type RandomBytes,
  type SipRequest,
  type SipResponse,
  type TimerHandle,
} from '../../sip/index.ts';
import { Admission } from '../admission.ts';
import { ClientConnection } from './client-connection.ts';
import { ClientDoor, type DoorCertificate } from './client-door.ts';
import { ClientTable, type EndedBecause } from './client-table.ts';
import { CoreChooser } from './core-choice.ts';
import type { CoreIdentity, CoreLink } from './core-link.ts';
import { EdgeProxy } from './edge-proxy.ts';
import type { LinkArrival } from './from-core.ts';
import type { EdgeHop } from './hop-identity.ts';
import { MessageRate } from './message-rate.ts';
import { ReHome } from './re-home.ts';
import type { SignInWatch } from './sign-in-watch.ts';
import type { EdgeRefusal } from './verdict.ts';

/** The part of a logger that is used here. */
export interface SipLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

export interface EdgeSipOptions extends LinkWaitLimits {
  /** Where clients connect. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly certificate: DoorCertificate;
  /** Pinned name of this edge, as core writes it into Route. */
  readonly name: string;
  /** Name or address, and port, that clients reach this edge by: Via, Record-Route. */
  readonly announced: { readonly host: string; readonly port: number };
  /** Further names of this edge and its cluster peers that clients may hold in a Route. */
  readonly aliases: readonly string[];
  readonly zones: readonly { readonly name: string; readonly zoneId: number }[];
  /** Number of the zone that clients sit in, for `ingress-zone-id`; undefined leaves it out. */
  readonly clientZoneId: number | undefined;
  readonly hopCount: number;
  readonly maxConnections: number;
  readonly maxRefusalLinesPerSecond: number;
  readonly maxConnectionsPerAddress: number;
  readonly maxHandshakes: number;
  readonly maxUnproven: number;
  readonly maxMessageBytes: number;
  readonly maxHeaderLines: number;
  readonly maxMessagesPerSecond: number;
  /** Requests of one registered connection without a final response. */
  readonly maxPendingPerConnection: number;
  /** The same before a registration. */
  readonly maxPendingUnproven: number;
  readonly maxQueueBytes: number;
  /** Bytes that may wait for a connection without a registration that does not read. */
  readonly maxQueueBytesUnproven: number;
  /** Refused INVITEs of one connection that may wait for their ACK. */
  readonly maxUnacknowledged: number;
  readonly maxTransactions: number;
  readonly handshakeTimeoutMs: number;
  readonly firstMessageTimeoutMs: number;
  readonly unprovenTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly setupTimeoutMs: number;
  /** How long a core may be away before its clients are sent to another one of its zone. */
  readonly rehomeAfterMs: number;
  /** How many of them at most: they come back all at once. */
  readonly maxRehomedPerSecond: number;
  /** Keepalive of the links to the cores. */
  readonly linkKeepalive: { readonly pingIntervalMs: number; readonly deadAfterMs: number };
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly randomUuid: () => string;
  /** Answers a STUN Binding request found in a client's stream. */
  readonly answerStun: (request: Buffer, source: { address: string; port: number }) => Buffer | undefined;
  readonly log: SipLog;
  readonly count: (event: string, reason?: string) => void;
  /** Whether this address may connect at all (intrusion protection); left out: yes. */
  readonly admits?: (address: string) => boolean;
  readonly onRefused: (kind: EdgeRefusal, address: string) => void;
  /** Intrusion protection of sign-ins; left out: none. */
  readonly signIns?: SignInWatch | undefined;
}

/** The zone that Expressway calls the one of all its clients. */
const clientZone = 'CollaborationEdgeZone';
const sweepMs = 1000;
const tickMs = 50;
const retryAfterSeconds = 5;
/** A client's own words in a log line. */
const maxLineText = 160;

type RefusedRequest = Pick<SipRequest, 'method' | 'headers'>;

export class EdgeSip {
  readonly #options: EdgeSipOptions;
  readonly #door: ClientDoor;
  readonly #clients: ClientTable;
  readonly #cores: CoreChooser;
  readonly #proxy: EdgeProxy;
  readonly #layer: TransactionLayer;
  readonly #linkWait: LinkWait;
  readonly #rehome: ReHome;
  readonly #lines: LineBudget;
  readonly #admission: Admission;
  #lastConnection = 0;
  #sweep: TimerHandle | undefined;
  #isClosed = false;

  constructor(options: EdgeSipOptions) {
    this.#options = options;
    this.#rehome = new ReHome(options.rehomeAfterMs);
    const { random, count } = options;
    this.#admission = new Admission(options, options.admits);
    this.#clients = new ClientTable(createSecretKey(random(32)), options, (connection, because) =>
      this.#endClient(connection, because),
    );
    this.#cores = new CoreChooser(options.zones);
    this.#linkWait = new LinkWait(options, options.clock, count);
    this.#lines = new LineBudget(options.maxRefusalLinesPerSecond, options.clock, count);
    this.#proxy = new EdgeProxy({
      linkWait: this.#linkWait,
      onLine: (reason, status, request, from) => this.#say(reason, status, request, from),
      hop: hopOf(options),
      cores: this.#cores,
      clients: this.#clients,
      setupTimeoutMs: options.setupTimeoutMs,
      count,
      onRefused: options.onRefused,
      signIns: options.signIns,
    });
    this.#layer = new TransactionLayer(
      {
        timings: RFC_TIMINGS,
        maxTransactions: options.maxTransactions,
        maxUnacknowledged: options.maxUnacknowledged,
        retryAfterSeconds,
        tickMs,
        clock: options.clock,
        random,
        count: (event) => count('transaction', event),
        sendsTrying: true,
        findTransport: (scope) => this.#linkOfScope(scope),
      },
      this.#proxy,
    );
    this.#proxy.useLayer(this.#layer);
    this.#door = new ClientDoor({
      ...options.listen,
      certificate: options.certificate,
      handshakeTimeoutMs: options.handshakeTimeoutMs,
      admission: this.#admission,
      count,
      onClient: (socket, address, port) => this.takeClient(socket, address, port),
    });
  }

  /** Opens the door; resolves with the bound port, rejects when it cannot be bound. */
  async listen(): Promise<number> {
    const port = await this.#door.listen();
    this.#scheduleSweep();
    return port;
  }

  /** A fresh authenticated 7001 connection; owned from here on. A core's newer connection replaces its older one. */
  onSip(socket: TLSSocket, peer: CoreIdentity): void {
    const arrival: LinkArrival = {
      peer,
      address: socket.remoteAddress ?? '0.0.0.0',
      port: socket.remotePort ?? 0,
    };
    const transport: SipConnection = new SipConnection(
      socket,
      { ...this.#connectionOptions(linkScope(peer)), keepalive: this.#options.linkKeepalive },
      {
        onMessage: (message) => this.#fromLink(message, transport, arrival),
        onClose: (reason) => this.#linkClosed(link, reason),
      },
    );
    const link: CoreLink = { peer, transport };
    this.#proxy.enter(transport, arrival);
    const replaced = this.#cores.add(link);
    this.#rehome.back(peer.name);
    replaced?.transport.close('replaced by a newer link');
    this.#options.log.info({ core: peer.name, zone: peer.zone }, 'SIP link to core is up');
    this.#linkWait.linkUp();
  }

  /** New client connections get this certificate. */
  useCertificate(certificate: DoorCertificate): void {
    this.#door.useCertificate(certificate);
  }

  status(): {
    connections: number;
    unproven: number;
    handshakes: number;
    transactions: number;
    cores: string[];
  } {
    return {
      connections: this.#clients.size,
      unproven: this.#clients.unproven,
      handshakes: this.#admission.handshakes,
      transactions: this.#layer.size,
      cores: [...this.#cores.links()].map((link) => link.peer.name),
    };
  }

  /** Closes door, connections and links; idempotent. */
  async close(reason: string): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#sweep !== undefined) this.#options.clock.clearTimer(this.#sweep);
    const stopped = this.#door.close();
    this.#linkWait.close();
    this.#layer.close();
    for (const link of this.#cores.links()) link.transport.close(reason);
    for (const connection of this.#clients.all()) connection.transport.close(reason);
    await stopped;
  }

  /** A client's secured stream, however it was secured; owned from here on. */
  takeClient(socket: Duplex, address: string, port: number): void {
    const { clock, maxMessagesPerSecond, maxQueueBytes, maxQueueBytesUnproven, answerStun } = this.#options;
    const now = clock.now();
    const rate = new MessageRate(maxMessagesPerSecond, now);
    const connection = new ClientConnection(this.#clients.nextToken(), address, port, rate, now);
    const transport = new SipConnection(
      socket,
      {
        ...this.#connectionOptions(''),
        get maxQueueBytes() {
          return connection.isProven ? maxQueueBytes : maxQueueBytesUnproven;
        },
        answerStun: (request) => answerStun(request, { address, port }),
      },
      {
        onMessage: (message) => this.#fromClient(message, connection),
        onRefused: (error) => {
          this.#options.onRefused('malformed', address);
          this.#say('malformed', error.status, error.request, { address, port, fault: error.code });
          this.#takeRate(connection);
        },
        onClose: () => this.#clientClosed(connection),
      },
    );
    connection.attach(transport);
    this.#proxy.enter(transport, connection);
    this.#clients.add(connection);
  }

  /** An empty `scope` is a scope of its own: a client's branches mean nothing outside its connection. */
  #connectionOptions(scope: string) {
    const { maxMessageBytes, maxHeaderLines, maxQueueBytes, closeTimeoutMs, clock, count } = this.#options;
    this.#lastConnection += 1;
    const id = `c${this.#lastConnection}`;
    return {
      id,
      scope: scope === '' ? id : scope,
      limits: { maxMessageBytes, maxHeaderLines },
      maxQueueBytes,
      closeTimeoutMs,
      clock,
      count: (event: string, fault?: string) => count(`sip-${event}`, fault),
    };
  }

  #fromClient(message: SipRequest | SipResponse, connection: ClientConnection): void {
    const { maxPendingPerConnection, maxPendingUnproven, clientZoneId } = this.#options;
    connection.hasSpoken = true;
    if (!this.#takeRate(connection)) return;
    if (message.kind === 'request') {
      const most = connection.isProven ? maxPendingPerConnection : maxPendingUnproven;
      if (connection.pending >= most && !isHopMethod(message.method))
        return this.#refuseBusy(message, connection);
      const { address, port } = connection;
      stampArrival(message.headers, { address, port, ingressZone: clientZone, ingressZoneId: clientZoneId });
    }
    this.#receive(message, connection.transport);
  }

  /** False, and the connection is closed, when it has used its share of messages up. */
  #takeRate(connection: ClientConnection): boolean {
    const { clock, count, onRefused } = this.#options;
    if (connection.rate.take(clock.now())) return true;
    count('refused', 'rate');
    onRefused('rate', connection.address);
    const { address, port } = connection;
    this.#say('rate', 0, undefined, { address, port });
    connection.transport.close('too many messages');
    return false;
  }

  /** One line for a refusal; `status` 0 when the connection is closed without an answer. */
  #say(reason: EdgeRefusal, status: number, request: RefusedRequest | undefined, from: object): void {
    const more = this.#lines.take();
    if (more === undefined) return;
    const method = request?.method.slice(0, maxLineText);
    const callId = request?.headers.get('Call-ID')?.slice(0, maxLineText);
    this.#options.log.info({ reason, method, status, callId, ...from, ...more }, 'request refused');
  }

  /** Whatever a message makes a parser say on the way ends with that message. */
  #receive(message: SipRequest | SipResponse, transport: SipConnection): void {
    try {
      this.#layer.receive(message, transport);
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error;
      this.#options.count('message-unreadable');
    }
  }

  #refuseBusy(request: SipRequest, connection: ClientConnection): void {
    this.#options.count('refused', 'busy');
    const { address, port } = connection;
    this.#say('busy', 503, request, { address, port });
    const parts = {
      toTag: statelessTag(request),
      headers: [['Retry-After', String(retryAfterSeconds)] as const],
    };
    connection.transport.send(createResponse(request, 503, undefined, parts).print());
  }

  #fromLink(message: SipRequest | SipResponse, transport: SipConnection, arrival: LinkArrival): void {
    if (message.kind === 'request') {
      const { address, port, peer } = arrival;
      stampArrival(message.headers, { address, port, ingressZone: peer.zone, ingressZoneId: peer.zoneId });
    }
    this.#receive(message, transport);
  }

  #linkClosed(link: CoreLink, reason: string): void {
    this.#cores.remove(link);
    if (this.#cores.byName(link.peer.name) === undefined)
      this.#rehome.lost(link.peer, this.#options.clock.now());
    this.#proxy.leave(link.transport);
    this.#layer.transportClosed(link.transport);
    this.#options.count('link-closed');
    this.#options.log.warn(
      { core: link.peer.name, zone: link.peer.zone, reason },
      'SIP link to core is down',
    );
  }

  #linkOfScope(scope: string) {
    for (const link of this.#cores.links()) if (link.transport.scope === scope) return link.transport;
    return undefined;
  }

  #endClient(connection: ClientConnection, because: EndedBecause): void {
    this.#options.count('connection-ended', because);
    connection.transport.close(because);
  }

  #clientClosed(connection: ClientConnection): void {
    this.#clients.remove(connection);
    this.#proxy.clientGone(connection);
    this.#proxy.leave(connection.transport);
    this.#layer.transportClosed(connection.transport);
  }

  /** Ends connections that are silent for too long, or whose core is away. Runs each second. */
  sweep(): void {
    const { clock, maxRehomedPerSecond } = this.#options;
    this.#clients.sweep(clock.now());
    const isUp = (zoneId: number): boolean =>
      [...this.#cores.links()].some(({ peer }) => peer.zoneId === zoneId);
    for (const core of this.#rehome.due(clock.now(), isUp)) this.#clients.leave(core, maxRehomedPerSecond);
  }

  #scheduleSweep(): void {
    this.#sweep = this.#options.clock.setTimer(() => {
      this.sweep();
      if (!this.#isClosed) this.#scheduleSweep();
    }, sweepMs);
  }
}

/** Messages that make no transaction of their own towards core. */
function isHopMethod(method: string): boolean {
  return method === 'ACK' || method === 'CANCEL' || method === 'BYE';
}

function linkScope(peer: CoreIdentity): string {
  return `core ${peer.name}`;
}

function hopOf(options: EdgeSipOptions): EdgeHop {
  const { name, announced, aliases } = options;
  return {
    outside: { host: announced.host.toLowerCase(), port: announced.port, transport: 'tls' },
    inside: { host: name.toLowerCase(), port: 7001, transport: 'tls' },
    aliases: new Set(aliases.map((alias) => alias.toLowerCase())),
    clientZone,
    hopCount: options.hopCount,
    branches: new BranchMaker(options.random(12).toString('hex')),
    randomUuid: options.randomUuid,
  };
}
