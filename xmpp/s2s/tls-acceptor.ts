// The server's side of TLS between servers: asks for a certificate, lets the handshake finish without one, and leaves the
// judgement to the caller. Built on a `tls.Server` that never listens, because only that says what OpenSSL thinks of
// the peer's chain (`authorized`, `authorizationError`).
import type { Socket } from 'node:net';
import { constants } from 'node:crypto';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';

export class TlsAcceptor {
  readonly #server: Server;
  /** Connections in their handshake, by the peer's address and port. */
  readonly #waiting = new Map<string, (socket: TLSSocket) => void>();

  constructor(
    options: Pick<
      TlsOptions,
      'cert' | 'key' | 'ca' | 'minVersion' | 'ciphers' | 'ecdhCurve' | 'secureOptions'
    >,
  ) {
    this.#server = createServer({
      ...options,
      // A resumed session would carry a certificate that was judged long ago.
      secureOptions: (options.secureOptions ?? 0) | constants.SSL_OP_NO_TICKET,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ['xmpp-server'],
    });
    this.#server.on('secureConnection', (socket) => this.#waiting.get(peerOf(socket))?.(socket));
    this.#server.on('tlsClientError', () => undefined); // told by 'close' of the raw socket
  }

  /** Begins the handshake; `onSecure` is called when it is done. A handshake that fails closes the raw socket. */
  secure(raw: Socket, onSecure: (socket: TLSSocket) => void): void {
    const peer = peerOf(raw);
    this.#waiting.set(peer, (socket) => {
      this.#waiting.delete(peer);
      onSecure(socket);
    });
    raw.once('close', () => this.#waiting.delete(peer));
    this.#server.emit('connection', raw);
  }
}

function peerOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`;
}
