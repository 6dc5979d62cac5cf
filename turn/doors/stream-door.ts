// A TCP or TLS listener of the TURN server. Admits and lets the handshake finish in time; an open stream belongs to
// StreamConnections.
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import type { TransportAddress } from '../ip-address.ts';
import type { StreamConnections } from './stream-connections.ts';

export interface StreamDoorOptions {
  readonly bind: TransportAddress;
  /** Key, certificate and policy of TLS; undefined for plain TCP. */
  readonly tls: TlsOptions | undefined;
  readonly connections: StreamConnections;
  readonly handshakeTimeoutMs: number;
  /** A handshake of an admitted stream is over, whatever its end. */
  readonly onHandshakeOver: () => void;
  readonly onHandshakeFailed: () => void;
}

export class StreamDoor {
  readonly #options: StreamDoorOptions;
  readonly #server: Server;
  /** Remote end → socket whose handshake is under way; the TLS socket made of it has the same remote end. */
  readonly #handshaking = new Map<string, Socket>();

  constructor(options: StreamDoorOptions) {
    this.#options = options;
    this.#server = options.tls === undefined ? createTcpServer() : this.#tlsServer(options.tls);
    this.#server.on('connection', (socket: Socket) => this.#accept(socket));
  }

  #tlsServer(tls: TlsOptions): Server {
    const server = createTlsServer({ ...tls, handshakeTimeout: this.#options.handshakeTimeoutMs });
    server.on('secureConnection', (socket) => this.#open(socket, 'tls'));
    server.on('tlsClientError', (_error, socket) => {
      this.#options.onHandshakeFailed();
      socket.destroy();
    });
    return server;
  }

  /** Opens the listener. Rejects with the system's error. */
  listen(): Promise<TransportAddress> {
    const { address, port } = this.#options.bind;
    const { promise, resolve, reject } = Promise.withResolvers<TransportAddress>();
    this.#server.once('error', reject);
    this.#server.listen({ host: address, port }, () => {
      this.#server.off('error', reject);
      this.#server.on('error', () => undefined);
      const bound = this.#server.address();
      resolve({ address, port: typeof bound === 'object' && bound !== null ? bound.port : port });
    });
    return promise;
  }

  /** Resolves when the listener and every stream that came through it are closed. */
  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#handshaking.values()) socket.destroy();
    return promise;
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    if (!this.#options.connections.admit(socket)) return;
    const end = remoteEnd(socket);
    this.#handshaking.set(end, socket);
    socket.on('close', () => this.#handshakeOver(end));
    if (this.#options.tls === undefined) this.#open(socket, 'tcp');
  }

  #handshakeOver(end: string): void {
    if (this.#handshaking.delete(end)) this.#options.onHandshakeOver();
  }

  #open(socket: Socket, transport: 'tcp' | 'tls'): void {
    this.#handshakeOver(remoteEnd(socket));
    this.#options.connections.open(socket, transport);
  }
}

function remoteEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
