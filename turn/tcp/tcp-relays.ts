// Relays of TCP allocations (RFC 6062): listeners at relayed addresses, connections to peers from those same addresses, and
// the joining of such a connection with the client's stream, byte for byte. Carries out what the machine decided; a peer's
// bytes are not read before its connection is joined, so a fast side waits for a slow one in the kernel's buffers.
// Memory: one socket per connection, as many as the machine allows, and two stream buffers for each that is joined.
import { createServer, Socket, type Server } from 'node:net';
import { canonicalAddress, type TransportAddress } from '../ip-address.ts';
import { RelayEngineError } from '../relay/relay-engine.ts';
import type { OwnAddress } from '../relay/relay-path.ts';
import type { AllocationId, ConnectionId, RelayEnd } from '../server/turn-input.ts';
import type { AddressFamily } from '../turn-values.ts';

export interface TcpRelayEvents {
  /** A peer connected; the id is the one to name it by. */
  onArrived(allocation: AllocationId, connection: ConnectionId, peer: TransportAddress): void;
  onConnected(connection: ConnectionId): void;
  onFailed(connection: ConnectionId): void;
  /** Over, whichever side ended it. Not told of connections that `closePeer` ended. */
  onClosed(connection: ConnectionId): void;
}

export interface TcpRelayOptions {
  /** How our announced addresses are reached on this machine. */
  readonly own: readonly OwnAddress[];
  /** A file descriptor of a TCP socket bound beside a listener; throws with a code. */
  readonly boundSocket: (bind: TransportAddress) => number;
  readonly newConnectionId: () => ConnectionId;
  readonly events: TcpRelayEvents;
}

/** Connections that the kernel holds for us before we accept them. */
const BACKLOG = 16;
const KEEP_ALIVE_MS = 60_000;
/** Silence of a socket whose other half is gone. */
const LEAVE_MS = 30_000;

interface TcpRelay {
  readonly allocation: AllocationId;
  readonly listeners: Map<AddressFamily, { readonly server: Server; readonly bound: TransportAddress }>;
  /** Bytes of connections that are over. */
  readonly counted: { bytesFromClient: number; bytesFromPeers: number };
}

/** Of one allocation. */
export interface TcpRelayCounters {
  readonly bytesFromClient: number;
  readonly bytesFromPeers: number;
}

interface Peer {
  readonly socket: Socket;
  readonly relay: TcpRelay;
  connected: boolean;
  client: Socket | undefined;
}

export class TcpRelays {
  readonly #options: TcpRelayOptions;
  readonly #own: readonly OwnAddress[];
  readonly #relays = new Map<AllocationId, TcpRelay>();
  readonly #peers = new Map<ConnectionId, Peer>();
  /** Sockets whose other half is gone, until they have taken what was on its way to them. */
  readonly #leaving = new Set<Socket>();

  constructor(options: TcpRelayOptions) {
    this.#options = options;
    this.#own = options.own.filter(({ announced, reachable }) => announced !== reachable);
  }

  sizes(): { readonly relays: number; readonly peers: number; readonly leaving: number } {
    return { relays: this.#relays.size, peers: this.#peers.size, leaving: this.#leaving.size };
  }

  /** Opens an allocation's listeners, all or none. Rejects RelayEngineError. */
  async open(allocation: AllocationId, relays: readonly RelayEnd[]): Promise<void> {
    const counted = { bytesFromClient: 0, bytesFromPeers: 0 };
    const relay: TcpRelay = { allocation, listeners: new Map(), counted };
    this.#relays.set(allocation, relay);
    try {
      for (const { family, bound } of relays) {
        const server = await this.#listen(relay, bound);
        relay.listeners.set(family, { server, bound });
      }
    } catch (error) {
      this.closeRelay(allocation);
      throw error;
    }
    if (!this.#relays.has(allocation)) {
      closeListeners(relay);
      throw new RelayEngineError('closed', 'the allocation ended meanwhile');
    }
  }

  #listen(relay: TcpRelay, { address, port }: TransportAddress): Promise<Server> {
    const { promise, resolve, reject } = Promise.withResolvers<Server>();
    const server = createServer({ pauseOnConnect: true }, (socket) => this.#arrived(relay, socket));
    server.once('error', (error: NodeJS.ErrnoException) => {
      const code = error.code === 'EADDRINUSE' ? 'address-in-use' : 'bind-failed';
      reject(new RelayEngineError(code, error.message, { cause: error }));
    });
    server.listen(
      {
        host: address,
        port,
        backlog: BACKLOG,
        reusePort: true,
        exclusive: true,
        ipv6Only: address.includes(':'),
      },
      () => {
        server.on('error', () => undefined);
        resolve(server);
      },
    );
    return promise;
  }

  #arrived(relay: TcpRelay, socket: Socket): void {
    socket.on('error', () => undefined);
    const address = canonicalAddress(socket.remoteAddress ?? '');
    const { remotePort: port } = socket;
    if (address === undefined || port === undefined || !this.#relays.has(relay.allocation)) {
      return void socket.destroy();
    }
    const connection = this.#options.newConnectionId();
    this.#keep(connection, { socket, relay, connected: true, client: undefined });
    this.#options.events.onArrived(relay.allocation, connection, { address: this.#announced(address), port });
  }

  /** Connects from the relayed address of the peer's family (RFC 6062 §5.2). */
  dial(allocation: AllocationId, connection: ConnectionId, { address, port }: TransportAddress): void {
    const relay = this.#relays.get(allocation);
    const listener = relay?.listeners.get(address.includes(':') ? 6 : 4);
    const fd = listener && this.#boundSocket(listener.bound);
    if (relay === undefined || fd === undefined) return this.#options.events.onFailed(connection);
    // Not started: it must not be read before it is connected, nor before it is joined.
    const socket = new Socket({ fd, manualStart: true } as ConstructorParameters<typeof Socket>[0]);
    const peer: Peer = { socket, relay, connected: false, client: undefined };
    this.#keep(connection, peer);
    socket.pause();
    socket.once('connect', () => {
      peer.connected = true;
      this.#options.events.onConnected(connection);
    });
    socket.connect({ host: this.#reachable(address), port });
  }

  #boundSocket(bind: TransportAddress): number | undefined {
    try {
      return this.#options.boundSocket(bind);
    } catch {
      return undefined;
    }
  }

  #keep(connection: ConnectionId, peer: Peer): void {
    const { socket } = peer;
    this.#peers.set(connection, peer);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (this.#peers.get(connection) !== peer) return;
      this.#release(connection, peer);
      if (peer.connected) this.#options.events.onClosed(connection);
      else this.#options.events.onFailed(connection);
    });
  }

  /** Makes a client's stream and a peer's one. `rest` came before the client could know. */
  join(connection: ConnectionId, client: Socket, rest: Buffer): void {
    const peer = this.#peers.get(connection);
    if (peer === undefined) return void client.destroy();
    const { socket } = peer;
    peer.client = client;
    client.setKeepAlive(true, KEEP_ALIVE_MS);
    client.on('error', () => undefined);
    // A side that is gone without a word takes the other along; an end in order lets what is under way arrive.
    client.once('close', () => this.#leave(socket));
    if (rest.length > 0) socket.write(rest);
    client.pipe(socket);
    socket.pipe(client);
  }

  /** Ends a connection and the client's stream that it was joined with. Unknown ids are ignored. */
  closePeer(connection: ConnectionId): void {
    const peer = this.#peers.get(connection);
    if (peer === undefined) return;
    this.#release(connection, peer);
    peer.socket.destroy();
    peer.client?.destroy();
  }

  #release(connection: ConnectionId, { socket, relay, client }: Peer): void {
    this.#peers.delete(connection);
    relay.counted.bytesFromClient += socket.bytesWritten;
    relay.counted.bytesFromPeers += socket.bytesRead;
    if (client !== undefined) this.#leave(client);
  }

  /** Lets a socket take what is under way to it; who takes nothing for long enough is cut. */
  #leave(socket: Socket): void {
    if (socket.destroyed) return;
    this.#leaving.add(socket);
    socket.once('close', () => this.#leaving.delete(socket));
    socket.setTimeout(LEAVE_MS, () => socket.destroy());
    socket.destroySoon();
  }

  closeRelay(allocation: AllocationId, family?: AddressFamily): void {
    const relay = this.#relays.get(allocation);
    if (relay === undefined) return;
    closeListeners(relay, family);
    if (relay.listeners.size === 0) this.#relays.delete(allocation);
  }

  /** Bytes of connections that are over and of those that stand. */
  counters(allocation: AllocationId): TcpRelayCounters | undefined {
    const relay = this.#relays.get(allocation);
    if (relay === undefined) return undefined;
    const standing = [...this.#peers.values()].filter((peer) => peer.relay === relay);
    const sum = (start: number, of: (socket: Socket) => number): number =>
      standing.reduce((total, { socket }) => total + of(socket), start);
    return {
      bytesFromClient: sum(relay.counted.bytesFromClient, ({ bytesWritten }) => bytesWritten),
      bytesFromPeers: sum(relay.counted.bytesFromPeers, ({ bytesRead }) => bytesRead),
    };
  }

  close(): void {
    for (const allocation of this.#relays.keys()) this.closeRelay(allocation);
    for (const connection of this.#peers.keys()) this.closePeer(connection);
    for (const socket of this.#leaving) socket.destroy();
    this.#leaving.clear();
  }

  /** Our own announced address is reached without going out to a NAT that may not turn connections round. */
  #reachable(address: string): string {
    return this.#own.find(({ announced }) => announced === address)?.reachable ?? address;
  }

  #announced(address: string): string {
    return this.#own.find(({ reachable }) => reachable === address)?.announced ?? address;
  }
}

function closeListeners({ listeners }: TcpRelay, family?: AddressFamily): void {
  for (const [of, { server }] of listeners) {
    if (family !== undefined && of !== family) continue;
    server.close();
    listeners.delete(of);
  }
}
