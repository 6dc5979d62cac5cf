// TLS 5061, server authentication only: the listener that clients reach (mra-wire §3.1). Admits, bounds the handshake,
// and hands a secured socket on. Trust: nobody; a client certificate is never asked for. TLS 1.2 and 1.3, hybrid
// post-quantum exchange first.
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import type { Admission } from '../admission.ts';
import { DOOR_TLS } from '../door-tls.ts';

export interface ClientDoorOptions {
  readonly host: string;
  readonly port: number;
  readonly certificate: DoorCertificate;
  readonly handshakeTimeoutMs: number;
  readonly admission: Admission;
  readonly count: (event: string, reason?: string) => void;
  /** Receives a socket whose handshake is done; it owns the socket from then on. */
  readonly onClient: (socket: TLSSocket, address: string, port: number) => void;
}

/** PEM texts. */
export interface DoorCertificate {
  readonly chain: string | Buffer;
  readonly key: string | Buffer;
}

export class ClientDoor {
  readonly #options: ClientDoorOptions;
  readonly #server: Server;
  readonly #handshaking = new Set<Socket>();
  #context: SecureContext;

  constructor(options: ClientDoorOptions) {
    this.#options = options;
    this.#context = secureContext(options.certificate);
    this.#server = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  /** Resolves with the bound port; rejects when the address cannot be bound. */
  listen(): Promise<number> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => this.#options.count('door-error'));
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  /** New connections get the new certificate; open ones keep theirs. Throws when the PEM texts do not fit. */
  useCertificate(certificate: DoorCertificate): void {
    this.#context = secureContext(certificate);
  }

  /** Stops listening and drops handshakes under way; established connections belong to others. */
  close(): Promise<void> {
    for (const socket of this.#handshaking) socket.destroy();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #accept(raw: Socket): void {
    const { admission, count, handshakeTimeoutMs } = this.#options;
    const { remoteAddress: address, remotePort: port } = raw;
    raw.on('error', () => undefined); // told again by 'close'
    if (address === undefined || port === undefined) return void raw.destroy();
    const ticket = admission.admit(address);
    if (typeof ticket === 'string') {
      count('connection-refused', ticket);
      return void raw.destroy();
    }
    this.#handshaking.add(raw);
    const over = (): void => {
      this.#handshaking.delete(raw);
      ticket.handshakeDone();
    };
    raw.once('close', () => {
      over();
      ticket.left();
    });
    const deadline = setTimeout(() => {
      count('handshake-failed', 'timeout');
      raw.destroy();
    }, handshakeTimeoutMs);
    this.#handshake(raw, () => {
      clearTimeout(deadline);
      over();
    });
  }

  #handshake(raw: Socket, over: () => void): void {
    const { count, onClient } = this.#options;
    const { remoteAddress = '', remotePort = 0 } = raw;
    const socket = new TLSSocket(raw, { isServer: true, secureContext: this.#context });
    let secured = false;
    socket.on('error', () => {
      if (!secured) count('handshake-failed', 'tls');
      over();
      raw.destroy();
    });
    socket.once('close', () => {
      over();
      raw.destroy();
    });
    socket.once('secure', () => {
      secured = true;
      over();
      onClient(socket, remoteAddress, remotePort);
    });
  }
}

function secureContext(certificate: DoorCertificate): SecureContext {
  return createSecureContext({
    cert: certificate.chain,
    key: certificate.key,
    ...DOOR_TLS,
  });
}
