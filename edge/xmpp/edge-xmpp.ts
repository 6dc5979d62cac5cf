// The XMPP plane of an edge: door 5222, the clients behind it, the links to the cores.
import { createServer, type Server, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Duplex } from 'node:stream';
import type { HeaderList } from '../../http/index.ts';
import { CLIENT_PATH, LinkError, openEdgeEnd, type PeerIdentity, type XmppLink } from '../../zones/index.ts';
import { Admission } from '../admission.ts';
import { plainAddress } from '../https/client-address.ts';
import { runClearPhase } from './clear-phase.ts';
import { ClientSession, type ClientSocket } from './client-session.ts';
import type { EdgeXmppOptions } from './edge-xmpp-options.ts';
import { FramedStream } from './framed-stream.ts';
import { DoorCertificates } from './tls-door.ts';
import { WebSocketDoor } from './web-socket-door.ts';

/** UTF-8 bytes that one UTF-16 unit may take. */
const BYTES_PER_UNIT = 3;
/** Idle clients behind a NAT that forgot them are found by TCP itself. */
const KEEP_ALIVE_MS = 60_000;

export interface EdgeXmppStatus {
  readonly connections: number;
  readonly signedIn: number;
  readonly links: readonly { readonly core: string; readonly sessions: number }[];
}

export class EdgeXmpp {
  readonly #options: EdgeXmppOptions;
  readonly #server: Server;
  readonly #certificates: DoorCertificates;
  readonly #admission: Admission;
  readonly #webSocket: WebSocketDoor | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #sessions = new Set<ClientSession>();
  readonly #links = new Map<string, XmppLink>();
  #signedIn = 0;

  constructor(options: EdgeXmppOptions) {
    this.#options = options;
    this.#certificates = new DoorCertificates(options);
    const { webSocketOrigins: origins, limits } = options;
    this.#webSocket =
      origins &&
      new WebSocketDoor({ origins, maxMessageBytes: limits.session.maxElementLength * BYTES_PER_UNIT });
    this.#admission = new Admission(options, options.admits);
    this.#server = createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
      (raw) => this.#accept(raw),
    );
  }

  /** A core's authenticated 7400 connection; the newest of a core wins. */
  onXmpp(socket: TLSSocket, peer: PeerIdentity): void {
    const { link, clock, maxSessionsPerCore } = this.#options;
    const fresh = openEdgeEnd(socket, {
      ...link,
      clock,
      coreName: peer.name,
      maxSessions: maxSessionsPerCore,
      onEnd: () => {
        if (this.#links.get(peer.name) === fresh) this.#links.delete(peer.name);
      },
    });
    this.#links.set(peer.name, fresh);
  }

  /** A connection of the HTTPS door that asks for a WebSocket. Its TLS handshake is over. */
  onWebSocket(headers: HeaderList, socket: TLSSocket, address: string): void {
    const { count, limits, clock } = this.#options;
    const place = this.#admission.admit(address);
    if (typeof place === 'string' || this.#webSocket === undefined) {
      count('connection-refused', typeof place === 'string' ? place : 'web-socket-off');
      return void socket.destroy();
    }
    place.handshakeDone();
    this.#sockets.add(socket);
    const signInDeadline = clock.after(limits.signInTimeoutMs, () => {
      count('sign-in-timeout');
      socket.destroy();
    });
    socket.once('close', () => {
      signInDeadline();
      this.#sockets.delete(socket);
      place.left();
    });
    const onRefused = (reason: string): void => {
      count('web-socket-refused', reason);
      this.#options.onRefused(reason, address);
    };
    this.#webSocket.accept(headers, socket, {
      onRefused,
      onOpen: (webSocket) => {
        const setTimeout = socket.setTimeout.bind(socket);
        const { clear, server } = limits;
        this.#serve(
          new FramedStream(webSocket, { framing: clear, server, onRefused, setTimeout }),
          address,
          signInDeadline,
        );
      },
    });
  }

  /** Resolves with the bound port. */
  listen(): Promise<number> {
    const { host, port, count } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => count('door-error'));
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  /** Stops listening; clients are told why and their sessions end. */
  async close(reason: string): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const waiting = [...this.#sockets].map(
      (socket) => new Promise((resolve) => socket.once('close', resolve)),
    );
    for (const session of this.#sessions) session.end('system-shutdown', reason);
    this.#options.clock.after(this.#options.limits.closeTimeoutMs, () => this.#destroyAll());
    if (this.#sessions.size === 0) this.#destroyAll();
    await Promise.all([closed, ...waiting]);
    for (const link of this.#links.values()) link.close(reason);
  }

  status(): EdgeXmppStatus {
    return {
      connections: this.#admission.connections,
      signedIn: this.#signedIn,
      links: [...this.#links.values()].map(({ coreName, sessions }) => ({ core: coreName, sessions })),
    };
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(raw: Socket): void {
    const { count, limits, clock, name, newId } = this.#options;
    raw.on('error', () => undefined); // told again by 'close'
    if (raw.remoteAddress === undefined) return void raw.destroy();
    const address = plainAddress(raw.remoteAddress);
    const place = this.#admission.admit(address);
    if (typeof place === 'string') {
      count('connection-refused', place);
      return void raw.destroy();
    }
    this.#sockets.add(raw);
    const late = (reason: 'handshake-timeout' | 'sign-in-timeout') => (): void => {
      count(reason);
      raw.destroy();
    };
    const handshakeDeadline = clock.after(limits.handshakeTimeoutMs, late('handshake-timeout'));
    const signInDeadline = clock.after(limits.signInTimeoutMs, late('sign-in-timeout'));
    raw.once('close', () => {
      handshakeDeadline();
      signInDeadline();
      this.#sockets.delete(raw);
      place.left();
    });
    const onSecured = (socket: TLSSocket): void => {
      handshakeDeadline();
      place.handshakeDone();
      this.#serve(socket, address, signInDeadline);
    };
    runClearPhase(raw, {
      limits: limits.clear,
      name,
      newId,
      count,
      onRefused: (reason) => this.#options.onRefused(reason, address),
      onTls: () => this.#startTls(raw, onSecured),
    });
  }

  #startTls(raw: Socket, onSecured: (socket: TLSSocket) => void): void {
    const { count } = this.#options;
    const socket = this.#certificates.secure(raw);
    let isSecured = false;
    socket.on('error', () => {
      if (!isSecured) count('handshake-failed', 'tls');
      raw.destroy();
    });
    socket.once('close', () => raw.destroy());
    socket.once('secure', () => {
      isSecured = true;
      onSecured(socket);
    });
  }

  #serve(socket: ClientSocket, address: string, signInDeadline: () => void): void {
    let isSignedIn = false;
    const session = new ClientSession(socket, {
      ...this.#options,
      openLink: () => this.#openLink(address),
      onRefused: (reason) => this.#options.onRefused(reason, address),
      onSignedIn: () => {
        isSignedIn = true;
        this.#signedIn += 1;
        signInDeadline();
      },
    });
    this.#sessions.add(session);
    socket.once('close', () => {
      this.#sessions.delete(session);
      if (isSignedIn) this.#signedIn -= 1;
    });
  }

  /** A stream of another kind to one core. @throws LinkError when there is none. */
  openStream(core: string, path: string): Duplex {
    const link = this.#links.get(core);
    if (link === undefined) throw new LinkError('closed', 'this core is not connected for messaging');
    return link.open(path);
  }

  /** The core with the fewest sessions. */
  #openLink(address: string): Duplex {
    const [least] = [...this.#links.values()].toSorted((a, b) => a.sessions - b.sessions);
    if (least === undefined) throw new LinkError('closed', 'no core is connected for messaging');
    return least.open(CLIENT_PATH, address);
  }
}
