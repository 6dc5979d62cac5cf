// Connections between core and call control: one outbound to each node, opened when it is first needed, and those that
// nodes open to core's own ports (mra-wire §3.1). Trust: an inbound connection is a node's when its address is a
// discovered one (or, where configured, any); TLS names are verified outbound, always. Bounded by `maxInbound` and one
// outbound connection per node.
import {
  connect as connectTcp,
  createServer as createTcpServer,
  isIP,
  type Server,
  type Socket,
} from 'node:net';
import { duplexPair } from 'node:stream';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { Duplex } from 'node:stream';
import {
  SipConnection,
  type Clock,
  type KeepaliveOptions,
  type ParseLimits,
  type SipRequest,
  type SipResponse,
  type SipTransport,
} from '../../sip/index.ts';
import type { Origin } from './core-proxy.ts';
import type { CoreHop } from './hop-identity.ts';
import { canonicalHost, type NodeDirectory, type SipNode } from './node-directory.ts';

/** PEM texts for TLS towards nodes. */
export interface InsideTls {
  /** Shown to nodes, both ways. */
  readonly chain: string | Buffer;
  readonly key: string | Buffer;
}

export interface NodeConnectionsOptions {
  readonly hop: CoreHop;
  readonly directory: NodeDirectory;
  /** Address to bind; ports come from `hop.inside`. 0 in `listenPorts` binds any. */
  readonly bindHost: string;
  readonly listenPorts: { readonly tcp: number; readonly tls: number };
  readonly tls: InsideTls | undefined;
  /** Authorities that sign nodes' certificates; undefined: the system's. */
  readonly authorities: string | Buffer | undefined;
  /** A node that connects over TLS must show a certificate of `authorities`. */
  readonly requireNodeCertificate: boolean;
  /** `any` admits every inside host: for labs whose registrar has no address of its own. */
  readonly insidePeers: 'nodes' | 'any';
  readonly connectTimeoutMs: number;
  readonly maxInbound: number;
  readonly limits: ParseLimits;
  readonly maxQueueBytes: number;
  readonly closeTimeoutMs: number;
  readonly keepalive: KeepaliveOptions | undefined;
  readonly clock: Clock;
  readonly answerStun: (request: Buffer, source: { address: string; port: number }) => Buffer | undefined;
  readonly count: (event: string, reason?: string) => void;
  readonly log: { warn(fields: object, text: string): void };
  readonly onOpen: (transport: SipTransport, origin: Origin) => void;
  readonly onMessage: (message: SipRequest | SipResponse, transport: SipTransport, from: PeerAddress) => void;
  readonly onClose: (transport: SipTransport) => void;
}

/** Where a message came from, for its Via. */
export interface PeerAddress {
  readonly address: string;
  readonly port: number;
  readonly zone: string;
}

export class NodeConnections {
  readonly #options: NodeConnectionsOptions;
  readonly #outbound = new Map<string, SipConnection>();
  readonly #inbound = new Set<SipConnection>();
  readonly #servers: Server[] = [];
  #self: SipConnection | undefined;
  #lastId = 0;

  constructor(options: NodeConnectionsOptions) {
    this.#options = options;
  }

  /** Binds TCP, and TLS when there is a certificate; resolves with the ports, rejects when one cannot be bound. */
  async listen(): Promise<{ tcp: number; tls: number | undefined }> {
    const { listenPorts, tls } = this.#options;
    const tcpServer = createTcpServer({ noDelay: true }, (socket) => this.#accept(socket, socket, 'tcp'));
    const tcp = await this.#bind(tcpServer, listenPorts.tcp);
    if (tls === undefined) return { tcp, tls: undefined };
    const server = createTlsServer(this.#serverTls(tls), (socket) => this.#accept(socket, socket, 'tls'));
    server.on('tlsClientError', (_error, socket) => {
      this.#options.count('inside-handshake-failed');
      socket.destroy();
    });
    return { tcp, tls: await this.#bind(server, listenPorts.tls) };
  }

  /** The connection to a node; a fresh one buffers until it is connected, and closes when it cannot be. */
  to(node: SipNode): SipTransport {
    const known = this.#outbound.get(node.zone);
    if (known?.isOpen === true) return known;
    const socket = this.#dial(node);
    const origin: Origin = { kind: 'node', side: this.#options.hop.inside[node.transport], zone: node.zone };
    const from = { address: canonicalHost(node.addresses[0]), port: node.port, zone: node.zone };
    const connection: SipConnection = this.#enter(socket, nodeScope(node.name), origin, from, (reason) => {
      if (this.#outbound.get(node.zone) === connection) this.#outbound.delete(node.zone);
      this.#options.log.warn({ node: node.name, zone: node.zone, reason }, 'SIP connection to node closed');
    });
    this.#outbound.set(node.zone, connection);
    return connection;
  }

  /** A request to this node was never answered: a connection that has been silent as long is not trusted any more. */
  suspect(node: SipNode): void {
    const connection = this.#outbound.get(node.zone);
    if (connection === undefined || this.#options.clock.now() - connection.lastHeard < silentMs) return;
    this.#options.count('node-silent');
    connection.close('node is silent');
  }

  /** Out and straight back in, inside the process: what leaves here is received as from the inside. */
  self(): SipTransport {
    if (this.#self?.isOpen === true) return this.#self;
    const [out, back] = duplexPair();
    const side = this.#options.hop.inside.tcp;
    const from = { address: side.host, port: side.port, zone: 'CEself' };
    this.#enter(back, 'self in', { kind: 'node', side, zone: from.zone }, from, () => undefined);
    this.#self = this.#enter(out, 'self out', { kind: 'node', side, zone: from.zone }, from, () => undefined);
    return this.#self;
  }

  /** Another open connection to the node of a scope, for answers whose own is gone. */
  find(scope: string): SipTransport | undefined {
    for (const connection of this.#outbound.values())
      if (connection.scope === scope && connection.isOpen) return connection;
    for (const connection of this.#inbound)
      if (connection.scope === scope && connection.isOpen) return connection;
    return undefined;
  }

  counts(): { outbound: number; inbound: number } {
    return { outbound: this.#outbound.size, inbound: this.#inbound.size };
  }

  async close(reason: string): Promise<void> {
    for (const connection of [...this.#outbound.values(), ...this.#inbound]) connection.close(reason);
    this.#self?.close(reason);
    await Promise.all(this.#servers.map((server) => new Promise<void>((done) => server.close(() => done()))));
  }

  #dial(node: SipNode): Duplex {
    const { connectTimeoutMs, tls, authorities, count } = this.#options;
    const target = { host: node.addresses[0], port: node.port };
    const socket: Socket =
      node.transport === 'tcp'
        ? connectTcp({ ...target, noDelay: true })
        : connectTls({
            ...target,
            ...(isIP(node.name) === 0 ? { servername: node.name } : {}),
            ...(tls === undefined ? {} : { cert: tls.chain, key: tls.key }),
            ...(authorities === undefined ? {} : { ca: authorities }),
            minVersion: 'TLSv1.2',
          });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, silentMs);
    const connected = node.transport === 'tcp' ? 'connect' : 'secureConnect';
    const deadline = setTimeout(() => {
      count('node-connect-timeout');
      socket.destroy();
    }, connectTimeoutMs);
    socket.once(connected, () => clearTimeout(deadline));
    socket.once('close', () => clearTimeout(deadline));
    return socket;
  }

  #accept(socket: Socket, stream: Duplex, transport: 'tcp' | 'tls'): void {
    socket.on('error', () => undefined); // told again by 'close'
    socket.setKeepAlive(true, silentMs);
    const { directory, insidePeers, maxInbound, hop, count } = this.#options;
    const address = canonicalHost(socket.remoteAddress ?? '');
    const port = socket.remotePort ?? 0;
    const node = directory.byAddress(address);
    if (this.#inbound.size >= maxInbound || (node === undefined && insidePeers === 'nodes')) {
      count('inside-refused', node === undefined ? 'not-a-node' : 'connections');
      return void socket.destroy();
    }
    const from = { address, port, zone: node?.zone ?? 'DefaultZone' };
    const origin: Origin = { kind: 'node', side: hop.inside[transport], zone: from.zone };
    const scope = node === undefined ? `inside ${address}` : nodeScope(node.name);
    const connection: SipConnection = this.#enter(stream, scope, origin, from, () =>
      this.#inbound.delete(connection),
    );
    this.#inbound.add(connection);
  }

  #enter(
    stream: Duplex,
    scope: string,
    origin: Origin,
    from: PeerAddress,
    onClose: (reason: string) => void,
  ): SipConnection {
    const { limits, maxQueueBytes, closeTimeoutMs, clock, keepalive, count, answerStun } = this.#options;
    this.#lastId += 1;
    const options = {
      id: `n${this.#lastId}`,
      scope,
      limits,
      maxQueueBytes,
      closeTimeoutMs,
      clock,
      count: (event: string, fault?: string) => count(`sip-${event}`, fault),
      answerStun: (request: Buffer) => answerStun(request, from),
      ...(keepalive === undefined ? {} : { keepalive }),
    };
    const connection: SipConnection = new SipConnection(stream, options, {
      onMessage: (message) => this.#options.onMessage(message, connection, from),
      onClose: (reason) => {
        onClose(reason);
        this.#options.onClose(connection);
      },
    });
    this.#options.onOpen(connection, origin);
    return connection;
  }

  #serverTls(tls: InsideTls) {
    const { authorities, requireNodeCertificate } = this.#options;
    return {
      cert: tls.chain,
      key: tls.key,
      minVersion: 'TLSv1.2' as const,
      requestCert: requireNodeCertificate,
      rejectUnauthorized: requireNodeCertificate,
      ...(authorities === undefined ? {} : { ca: authorities }),
      handshakeTimeout: this.#options.connectTimeoutMs,
    };
  }

  #bind(server: Server, port: number): Promise<number> {
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: this.#options.bindHost, port }, () => {
        server.off('error', reject);
        server.on('error', () => this.#options.count('inside-door-error'));
        const bound = server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }
}

/** Silence after which a connection is probed by TCP and, when a request was lost on it, given up: 64 × T1. */
const silentMs = 32_000;

/** Transactions with a node survive the loss of one of its connections. */
function nodeScope(name: string): string {
  return `node ${name.toLowerCase()}`;
}
