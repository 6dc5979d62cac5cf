// A TCP or TLS listener of the TURN server. Admits, lets the handshake finish in time, and hands framed messages on.
// Owns its connections from accept to close; a sweep closes those that hold no allocation for too long.
import { createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { canonicalAddress, type TransportAddress } from '../ip-address.ts';
import type { StreamAdmission, StreamRefusal } from './stream-admission.ts';
import {
  StreamConnection,
  type StreamCloseReason,
  type StreamConnectionOptions,
} from './stream-connection.ts';

export interface StreamDoorOptions extends Omit<StreamConnectionOptions, 'socket' | 'path' | 'onClose'> {
  readonly bind: TransportAddress;
  /** Key, certificate and policy of TLS; undefined for plain TCP. */
  readonly tls: TlsOptions | undefined;
  /** One for all doors, so that limits hold for the server. */
  readonly admission: StreamAdmission;
  readonly handshakeTimeoutMs: number;
  /** Longest time a stream may be without an allocation. */
  readonly unprovenTimeoutMs: number;
  readonly nextKey: () => string;
  readonly onOpen: (connection: StreamConnection) => void;
  readonly onClose: (connection: StreamConnection, reason: StreamCloseReason) => void;
  readonly onRefused: (reason: StreamRefusal | 'handshake') => void;
}

export class StreamDoor {
  readonly #options: StreamDoorOptions;
  readonly #server: Server;
  readonly #connections = new Set<StreamConnection>();
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
      this.#options.onRefused('handshake');
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

  /** Closes streams that have held no allocation for too long. */
  sweep(now: number): void {
    for (const connection of this.#connections) {
      const since = connection.idleSince;
      if (since !== undefined && now - since > this.#options.unprovenTimeoutMs)
        connection.close('no-allocation');
    }
  }

  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const connection of this.#connections) connection.close('shutdown');
    for (const socket of this.#handshaking.values()) socket.destroy();
    return promise;
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    const address = canonicalAddress(socket.remoteAddress ?? '');
    const refusal = address === undefined ? 'handshake' : this.#options.admission.admit(address);
    if (refusal !== undefined || address === undefined) {
      this.#options.onRefused(refusal ?? 'handshake');
      socket.destroy();
      return;
    }
    const end = remoteEnd(socket);
    this.#handshaking.set(end, socket);
    socket.on('close', () => {
      this.#handshakeOver(end);
      this.#options.admission.release(address);
    });
    if (this.#options.tls === undefined) this.#open(socket, 'tcp');
  }

  #handshakeOver(end: string): void {
    if (this.#handshaking.delete(end)) this.#options.admission.handshakeOver();
  }

  #open(socket: Socket, transport: 'tcp' | 'tls'): void {
    const { remotePort: port } = socket;
    const address = canonicalAddress(socket.remoteAddress ?? '');
    this.#handshakeOver(remoteEnd(socket));
    if (address === undefined || port === undefined) return void socket.destroy();
    const path = { key: this.#options.nextKey(), transport, remote: { address, port } };
    const connection = new StreamConnection({
      ...this.#options,
      socket,
      path,
      onClose: (closed, reason) => {
        this.#connections.delete(closed);
        this.#options.onClose(closed, reason);
      },
    });
    this.#connections.add(connection);
    this.#options.onOpen(connection);
  }
}

function remoteEnd({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
