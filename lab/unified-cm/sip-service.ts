// The SIP doors of the cluster's nodes and the connections behind them: TCP 5060 and TLS 5061 in, and out to the
// contacts of devices (core listens for its side). A device that registered over a connection is called back over
// the same one; another contact is dialled. Bounded: `maxConnections`.
import { randomBytes } from 'node:crypto';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { type Clock, DEFAULT_LIMITS, SipConnection } from '../../sip/index.ts';
import { answerBinding } from '../../turn/index.ts';
import { CallRelay, type RelayPeer } from './call-relay.ts';
import { type CallControlNode, type Enterprise } from './enterprise.ts';
import { type Registrar } from './registrar.ts';

export interface SipDoor {
  readonly node: CallControlNode;
  readonly sip: number | 'off';
  readonly secureSip: number | 'off';
}

export interface SipServiceOptions {
  readonly enterprise: Enterprise;
  readonly registrar: Registrar;
  readonly doors: readonly SipDoor[];
  /** PEM; also shown when this side dials. */
  readonly certificate: { readonly chain: string; readonly key: string };
  /** PEM of authorities trusted when a device is dialled over TLS. */
  readonly authority: string;
  readonly clock: Clock;
  readonly maxConnections: number;
}

/** Ports that were bound, by node name. */
export interface SipService {
  readonly bound: ReadonlyMap<string, { readonly sip?: number; readonly secureSip?: number }>;
  close(): Promise<void>;
}

type Transport = 'tcp' | 'tls';

/** Opens every door; rejects with the listen error of the first that cannot be opened. */
export async function startSipService(options: SipServiceOptions): Promise<SipService> {
  const exchange = new Exchange(options);
  try {
    for (const door of options.doors) await exchange.open(door);
  } catch (error) {
    await exchange.close();
    throw error;
  }
  return { bound: exchange.bound, close: () => exchange.close() };
}

class Exchange {
  readonly bound = new Map<string, { sip?: number; secureSip?: number }>();
  readonly #options: SipServiceOptions;
  readonly #relay: CallRelay;
  readonly #servers: Server[] = [];
  /** Open connections by the far end's `transport address:port`. */
  readonly #peers = new Map<string, ServicePeer>();
  #nextId = 1;

  constructor(options: SipServiceOptions) {
    this.#options = options;
    this.#relay = new CallRelay({
      enterprise: options.enterprise,
      registrar: options.registrar,
      reach: (target, from) => this.#reach(target, from),
      clock: options.clock,
      random: randomBytes,
      maxTransactions: 10_000,
      answerMs: 10_000,
      ringMs: 120_000,
    });
  }

  async open({ node, sip, secureSip }: SipDoor): Promise<void> {
    const ports: { sip?: number; secureSip?: number } = {};
    this.bound.set(node.name, ports);
    if (sip !== 'off') {
      const server = createServer({ noDelay: true }, (socket) => this.#accept(socket, node, 'tcp'));
      ports.sip = await this.#listen(server, sip, node.address);
    }
    if (secureSip !== 'off') {
      const { chain, key } = this.#options.certificate;
      const server = createTlsServer({ cert: chain, key, noDelay: true }, (socket) =>
        this.#accept(socket, node, 'tls'),
      );
      ports.secureSip = await this.#listen(server, secureSip, node.address);
    }
  }

  async close(): Promise<void> {
    this.#relay.close();
    for (const peer of this.#peers.values()) peer.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async #listen(server: Server, port: number, address: string): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, address, () => resolve());
    });
    server.removeAllListeners('error');
    server.on('error', () => {});
    this.#servers.push(server);
    return (server.address() as AddressInfo).port;
  }

  #accept(socket: Socket, node: CallControlNode, transport: Transport): void {
    if (this.#peers.size >= this.#options.maxConnections) socket.destroy();
    else this.#adopt(socket, node, transport, `${socket.remoteAddress}:${socket.remotePort}`);
  }

  #adopt(socket: Socket, node: CallControlNode, transport: Transport, far: string): ServicePeer {
    const key = `${transport} ${far}`;
    const ports = this.bound.get(node.name);
    const localPort = (transport === 'tls' ? ports?.secureSip : ports?.sip) ?? 0;
    const { remoteAddress = '0.0.0.0', remotePort = 0 } = socket;
    const connection = new SipConnection(
      socket,
      {
        id: String(this.#nextId++),
        scope: 'cluster',
        limits: DEFAULT_LIMITS,
        maxQueueBytes: 1_048_576,
        closeTimeoutMs: 500,
        clock: this.#options.clock,
        count: () => {},
        answerStun: (bytes) => answerBinding(bytes, { address: remoteAddress, port: remotePort }),
      },
      {
        // A fault inside the relay is a fault of the lab: let it end the process and be seen.
        onMessage: (message) => void this.#relay.handle(message, peer),
        onClose: () => {
          if (this.#peers.get(key) === peer) this.#peers.delete(key);
        },
      },
    );
    const peer = new ServicePeer(connection, socket, node, transport, localPort);
    this.#peers.set(key, peer);
    return peer;
  }

  async #reach(
    { host, port, transport }: { host: string; port: number; transport: Transport },
    node: CallControlNode,
  ): Promise<RelayPeer> {
    const known = this.#peers.get(`${transport} ${host}:${port}`);
    if (known?.isOpen === true) return known;
    const socket = await this.#dial(host, port, transport, node.address);
    return this.#adopt(socket, node, transport, `${host}:${port}`);
  }

  async #dial(host: string, port: number, transport: Transport, localAddress: string): Promise<Socket> {
    const { certificate, authority } = this.#options;
    const where = { host, port, localAddress };
    const tls = { ...where, cert: certificate.chain, key: certificate.key, ca: authority };
    const socket = transport === 'tls' ? connectTls(tls) : connectTcp(where);
    socket.setNoDelay(true);
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once(transport === 'tls' ? 'secureConnect' : 'connect', () => {
        socket.off('error', reject);
        resolve(socket);
      });
    });
  }
}

class ServicePeer implements RelayPeer {
  readonly node: CallControlNode;
  readonly transport: Transport;
  readonly localPort: number;
  readonly #connection: SipConnection;
  readonly #socket: Socket;

  constructor(
    connection: SipConnection,
    socket: Socket,
    node: CallControlNode,
    transport: Transport,
    localPort: number,
  ) {
    this.#connection = connection;
    this.#socket = socket;
    this.node = node;
    this.transport = transport;
    this.localPort = localPort;
  }

  get isOpen(): boolean {
    return this.#connection.isOpen;
  }

  send(bytes: Buffer): boolean {
    return this.#connection.send(bytes);
  }

  destroy(): void {
    this.#socket.destroy();
  }
}
