// Edge's end of the SIP link on 7001 and of the XMPP link on 7400: mutual TLS 1.3, one live connection per core, the
// newest wins. Hands over sockets on which nothing but a pinned core can speak.
// Bounds: admission (strangers in all, per address, per second), a deadline for the handshake (T-142).
import { type AddressInfo, type Server as NetServer, type Socket, createServer } from 'node:net';
import { type Server as TlsServer, type TLSSocket, createServer as createTlsServer } from 'node:tls';
import type { Admission } from '../admission.ts';
import type { Count, LinkLog } from '../peer.ts';
import type { TraversalZone } from '../zone-file.ts';
import { endWords } from './end-words.ts';
import { checkPeer } from './peer-check.ts';
import { type TlsPlane, alpnOf, tlsContext } from './profile.ts';
import { printVerdict } from './verdict.ts';

export interface TlsLinkServerOptions {
  readonly plane: TlsPlane;
  readonly host: string;
  readonly port: number;
  readonly zone: TraversalZone;
  readonly handshakeTimeoutMs: number;
  readonly admission: Admission;
  /** Intrusion protection: whether this address may connect at all. */
  readonly admits: (address: string) => boolean;
  readonly log: LinkLog;
  readonly count: Count;
  /** A pinned core is connected; an older connection of the same core has been ended. */
  readonly onLink: (socket: TLSSocket, core: string) => void;
  /** Someone who calls himself this core was refused, for the reason in words. */
  readonly onRefused: (core: string, words: string) => void;
  /** A core's connection ended, and no newer one has taken its place. */
  readonly onGone: (core: string, words: string) => void;
}

export class TlsLinkServer {
  readonly #options: TlsLinkServerOptions;
  readonly #tls: TlsServer;
  readonly #tcp: NetServer;
  readonly #sockets = new Set<Socket>();
  /** What frees the place at the door, by the peer's address and port. */
  readonly #places = new Map<string, () => void>();
  readonly #live = new Map<string, TLSSocket>();
  readonly #wanted: readonly string[];

  constructor(options: TlsLinkServerOptions) {
    this.#options = options;
    this.#wanted = options.zone.cores.map((core) => core.name);
    this.#tls = createTlsServer({
      ...tlsContext(options.zone),
      ...alpnOf(options.plane),
      requestCert: true,
      rejectUnauthorized: false, // judged in #judge, where the refusal gets its words
      handshakeTimeout: options.handshakeTimeoutMs,
    });
    this.#tls.on('secureConnection', (socket) => this.#judge(socket));
    this.#tls.on('tlsClientError', (error, socket) => {
      options.count(`${options.plane}-link-refused`, 'handshake');
      options.log.debug(
        { from: socket.remoteAddress, err: error },
        `TLS handshake on the ${options.plane} link failed`,
      );
      socket.destroy();
    });
    this.#tcp = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#tcp.once('error', reject);
      this.#tcp.listen(this.#options.port, this.#options.host, () => {
        this.#tcp.off('error', reject);
        this.#tcp.on('error', (error) =>
          this.#options.log.error({ err: error }, `${this.#options.plane} link listener failed`),
        );
        resolve();
      });
    });
  }

  get port(): number {
    return (this.#tcp.address() as AddressInfo | null)?.port ?? 0;
  }

  /** New connections use this zone's identity. */
  renew(zone: TraversalZone): void {
    this.#tls.setSecureContext(tlsContext(zone));
  }

  close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    return new Promise((resolve) => {
      this.#tcp.close(() => resolve());
    });
  }

  #accept(socket: Socket): void {
    socket.on('error', () => undefined);
    const address = socket.remoteAddress ?? '';
    if (!this.#options.admits(address)) {
      this.#options.count(`${this.#options.plane}-link-refused`, 'banned');
      socket.destroy();
      return;
    }
    const place = this.#options.admission.admit(address);
    if (!place.ok) {
      this.#options.count(`${this.#options.plane}-link-refused`, place.reason);
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    const from = endpoint(socket);
    this.#places.set(from, () => place.release());
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#leaveDoor(from);
    });
    this.#tls.emit('connection', socket);
  }

  #judge(socket: TLSSocket): void {
    socket.on('error', () => undefined);
    const check = checkPeer(socket, this.#wanted);
    if (!check.ok) {
      this.#options.count(`${this.#options.plane}-link-refused`, check.refusal);
      this.#options.log.warn(
        { from: socket.remoteAddress, words: check.words },
        `${this.#options.plane} link refused`,
      );
      if (check.claimed !== undefined) this.#options.onRefused(check.claimed, check.words);
      socket.end(printVerdict(check.refusal), () => socket.destroy());
      return;
    }
    this.#admit(socket, check.name);
  }

  #leaveDoor(from: string): void {
    this.#places.get(from)?.();
    this.#places.delete(from);
  }

  #admit(socket: TLSSocket, core: string): void {
    this.#leaveDoor(endpoint(socket));
    this.#live.get(core)?.destroy();
    this.#live.set(core, socket);
    socket.once('close', () => {
      if (this.#live.get(core) !== socket) return;
      this.#live.delete(core);
      this.#options.onGone(core, endWords(socket));
    });
    const handOver = (): void => {
      if (this.#live.get(core) === socket) this.#options.onLink(socket, core);
    };
    // HTTP/2 takes over a socket only without writes under way, or Node aborts: there the verdict has to leave first.
    if (this.#options.plane === 'sip') {
      socket.write(printVerdict(undefined));
      handOver();
    } else {
      socket.write(printVerdict(undefined), (error) => error ?? handOver());
    }
  }
}

function endpoint(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}
