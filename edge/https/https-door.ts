// The HTTPS door of the DMZ (mra-wire §1): TLS on 8443, strict HTTP/1.1, one lane per request, everything on to core.
// Trusts no client; decides nothing but what is no request at all. Each connection is counted before its handshake,
// bounded in time and memory by `ServerLimits`, and every refusal is answered, counted and told to intrusion protection.
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import { Deadlines, HttpError, HttpServerConnection, type ServerExchange } from '../../http/index.ts';
import { Admission, type Admitted } from '../admission.ts';
import { DOOR_SECURE_OPTIONS } from '../door-tls.ts';
import { accessLine } from './access-line.ts';
import { plainAddress } from './client-address.ts';
import { shownCertificate } from './client-certificate.ts';
import { CorePools } from './core-pools.ts';
import type { DoorTls, HttpsDoorOptions } from './door-options.ts';
import { awaitFirstByte } from './first-bytes.ts';
import { Forward, type ForwardContext } from './forward.ts';
import { LaneReader } from './lane-target.ts';

/** The door as the process sees it. */
export interface HttpsDoor {
  /** Resolves once clients can connect; rejects when the address cannot be bound. */
  listen(): Promise<void>;
  /** The port that is bound. */
  readonly port: number;
  /** From now on every request gets 503; resolves when those under way are done. */
  drain(): Promise<void>;
  /** Cuts everything; resolves when nothing listens any more. */
  close(reason: string): Promise<void>;
  /** New handshakes use this identity; connections that stand keep theirs. */
  replaceIdentity(tls: DoorTls): void;
  stats(): HttpsDoorStats;
}

export interface HttpsDoorStats {
  readonly connections: number;
  readonly handshakes: number;
  readonly addresses: number;
  readonly requestsUnderWay: number;
  readonly requests: number;
  readonly cores: readonly { core: string; channels: number; idle: number; waiting: number }[];
}

/** Builds the door; nothing listens before `listen`. */
export function createHttpsDoor(options: HttpsDoorOptions): HttpsDoor {
  return new Door(options);
}

/** What all requests of one connection have in common. */
type ConnectedClient = Pick<ForwardContext, 'clientAddress' | 'clientCertificate' | 'serverName'>;

class Door implements HttpsDoor {
  readonly #options: HttpsDoorOptions;
  readonly #hostNames: ReadonlySet<string>;
  readonly #admission: Admission;
  readonly #deadlines: Deadlines;
  readonly #pools: CorePools;
  readonly #lanes = new LaneReader();
  readonly #plain: Server;
  readonly #tls: TlsServer;
  /** By remote and local address and port: the plain socket is not reachable from the secured one. */
  readonly #handshaking = new Map<string, Admitted>();
  readonly #sockets = new Set<Socket>();
  readonly #connections = new Set<HttpServerConnection>();
  #underWay = 0;
  #requests = 0;
  #draining = false;
  #drained: (() => void) | undefined;
  #stopSweeping: () => void = () => undefined;

  constructor(options: HttpsDoorOptions) {
    this.#options = options;
    this.#hostNames = new Set(options.hostNames);
    this.#admission = new Admission(options.admission, options.admits);
    this.#deadlines = new Deadlines(options.now);
    this.#pools = new CorePools({ ...options, deadlines: this.#deadlines });
    this.#plain = createServer({ noDelay: true }, (socket) => this.#onSocket(socket));
    this.#tls = createTlsServer({
      ...tlsOptions(options.tls),
      requestCert: options.tls.clientAuthorities !== undefined,
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1', ...(options.other?.alpn ?? [])],
      handshakeTimeout: options.admission.handshakeMs,
    });
    this.#tls.on('secureConnection', (socket) => this.#onSecure(socket));
    this.#tls.on('tlsClientError', (_error, socket) => this.#onHandshakeFailed(socket));
  }

  get port(): number {
    const address = this.#plain.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  }

  async listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#plain.once('error', reject);
    this.#plain.listen({ host: this.#options.address, port: this.#options.port }, resolve);
    await promise;
    this.#plain.off('error', reject);
    this.#plain.on('error', () => this.#options.count('https.accept-failed'));
    this.#stopSweeping = this.#deadlines.start(this.#options.sweepMs);
  }

  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#underWay === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#drained = resolve;
    await promise;
  }

  async close(reason: string): Promise<void> {
    this.#stopSweeping();
    const error = new HttpError(503, 'draining', reason);
    for (const connection of this.#connections) connection.close(error);
    for (const socket of this.#sockets) socket.destroy();
    this.#pools.close(error);
    if (!this.#plain.listening) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#plain.close(() => resolve());
    await promise;
  }

  replaceIdentity(tls: DoorTls): void {
    this.#tls.setSecureContext(tlsOptions(tls));
  }

  stats(): HttpsDoorStats {
    return {
      connections: this.#admission.connections,
      handshakes: this.#admission.handshakes,
      addresses: this.#admission.addresses,
      requestsUnderWay: this.#underWay,
      requests: this.#requests,
      cores: this.#pools.stats(),
    };
  }

  #onSocket(socket: Socket): void {
    socket.on('error', () => undefined);
    const address = plainAddress(socket.remoteAddress ?? '');
    const ticket = this.#admission.admit(address);
    if (typeof ticket === 'string') {
      this.#options.count('https.turned-away', ticket);
      socket.destroy();
      return;
    }
    const key = endpoints(socket);
    this.#handshaking.set(key, ticket);
    this.#sockets.add(socket);
    socket.on('close', () => {
      this.#sockets.delete(socket);
      if (this.#handshaking.get(key) === ticket) this.#handshaking.delete(key);
      ticket.left();
    });
    this.#tls.emit('connection', socket);
  }

  #onHandshakeFailed(socket: TLSSocket): void {
    this.#options.count('https.handshake-failed');
    socket.destroy();
  }

  #onSecure(socket: TLSSocket): void {
    const key = endpoints(socket);
    const ticket = this.#handshaking.get(key);
    ticket?.handshakeDone();
    this.#handshaking.delete(key);
    const { other } = this.#options;
    const { alpnProtocol } = socket;
    if (other === undefined || alpnProtocol === 'http/1.1') return this.#serve(socket);
    const handOver = (): void => {
      this.#options.count('https.other-protocol', alpnProtocol ? 'alpn' : 'first-byte');
      ticket?.left();
      other.take(socket);
    };
    if (alpnProtocol) return handOver();
    awaitFirstByte(socket, {
      deadlines: this.#deadlines,
      waitMs: this.#options.client.headMs,
      onFirst: (byte, deadlineMs) => {
        if (other.beginsWith(byte)) handOver();
        else this.#serve(socket, deadlineMs);
        socket.resume();
      },
      onSilence: () =>
        this.#onRefused(
          plainAddress(socket.remoteAddress ?? ''),
          new HttpError(408, 'idle-timeout', 'nothing came'),
        ),
    });
  }

  /** `headDeadlineMs`: when the first head must be there, if its time began before now. */
  #serve(socket: TLSSocket, headDeadlineMs?: number): void {
    const clientAddress = plainAddress(socket.remoteAddress ?? '');
    const clientCertificate = this.#certificateOf(socket);
    const serverName = typeof socket.servername === 'string' ? socket.servername.toLowerCase() : undefined;
    const connection = new HttpServerConnection(socket, {
      limits: this.#options.client,
      deadlines: this.#deadlines,
      headDeadlineMs,
      serverName: 'CE_E',
      onRequest: (exchange) => {
        if (this.#isForWebSocket(exchange)) {
          connection.release();
          this.#options.webSocket?.take(exchange.request, socket, clientAddress);
        } else this.#onRequest(exchange, { clientAddress, clientCertificate, serverName });
      },
      onRefused: (reason) => this.#onRefused(clientAddress, reason),
      onClose: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  #isForWebSocket({ request, body }: ServerExchange): boolean {
    const { webSocket } = this.#options;
    if (webSocket === undefined || this.#draining || request.path !== webSocket.path) return false;
    const isAsked = request.method === 'GET' && request.upgrade?.toLowerCase() === 'websocket';
    return isAsked && body.complete && this.#hostNames.has(request.hostname);
  }

  #onRefused(address: string, error: HttpError): void {
    this.#options.count('https.refused', error.reason);
    this.#options.refused(address, error.reason);
  }

  /** The proven certificate of a connection, for the inside; undefined when nobody asked for one. */
  #certificateOf(socket: TLSSocket): string | undefined {
    if (this.#options.tls.clientAuthorities === undefined) return undefined;
    const shown = shownCertificate(socket);
    if (shown.kind !== 'none') this.#options.count('https.client-certificate', shown.kind);
    return shown.kind === 'proven' ? shown.field : undefined;
  }

  #onRequest(exchange: ServerExchange, client: ConnectedClient): void {
    const { clientAddress } = client;
    const startedMs = this.#options.now();
    const transaction = ++this.#requests;
    const forward = new Forward(exchange, {
      pools: this.#pools,
      lanes: this.#lanes,
      edgeName: this.#options.edgeName,
      hostNames: this.#hostNames,
      ...client,
      trackingId: this.#options.newUuid(),
      onDone: () => this.#onDone(forward, transaction, clientAddress, startedMs),
    });
    this.#underWay += 1;
    if (this.#draining) this.#refuseWhileDraining(forward);
    else forward.run();
  }

  #refuseWhileDraining(forward: Forward): void {
    const retryAfter = String(this.#options.retryAfterSeconds);
    forward.refuse(new HttpError(503, 'draining', 'edge takes no new requests'), ['Retry-After', retryAfter]);
  }

  #onDone(forward: Forward, transaction: number, client: string, startedMs: number): void {
    const { exchange, reason } = forward;
    this.#underWay -= 1;
    if (this.#draining && this.#underWay === 0) this.#drained?.();
    this.#options.count(
      'https.request',
      exchange.status === 0 ? 'unanswered' : `${Math.trunc(exchange.status / 100)}xx`,
    );
    if (forward.refused && reason !== undefined) this.#onRefused(client, reason);
    this.#options.log.info(
      accessLine({
        transaction,
        trackingId: forward.trackingId,
        clientTrackingId: forward.clientTrackingId,
        client,
        method: exchange.request.method,
        lane: forward.lane,
        path: forward.path,
        query: exchange.request.query,
        status: exchange.status,
        elapsedMs: this.#options.now() - startedMs,
        bytesIn: exchange.body.bytes,
        bytesOut: exchange.bytesOut,
        core: forward.core?.identity.name,
        reason: reason?.reason,
      }),
      'request',
    );
  }
}

function endpoints(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress} ${socket.localPort}`;
}

function tlsOptions(tls: DoorTls): object {
  const { identity, groups, ciphers, minVersion, clientAuthorities } = tls;
  return {
    ...identity,
    ...(clientAuthorities === undefined ? {} : { ca: clientAuthorities }),
    ecdhCurve: groups,
    ciphers,
    minVersion,
    maxVersion: 'TLSv1.3',
    honorCipherOrder: true,
    secureOptions: DOOR_SECURE_OPTIONS,
  };
}
