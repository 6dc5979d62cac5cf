// All client streams of the TURN server, whatever door they came through: a listener of ours, or one that speaks other
// protocols too and hands over what turned out to be TURN. Owns each from its first byte on; a sweep closes those that
// hold no allocation for too long. Memory: bounded by StreamAdmission and by what one StreamConnection may hold.
import type { Socket } from 'node:net';
import { canonicalAddress } from '../ip-address.ts';
import type { StreamAdmission, StreamRefusal } from './stream-admission.ts';
import {
  StreamConnection,
  type StreamCloseReason,
  type StreamConnectionOptions,
} from './stream-connection.ts';

export interface StreamConnectionsOptions extends Omit<
  StreamConnectionOptions,
  'socket' | 'path' | 'onClose'
> {
  /** One for all streams, so that limits hold for the server. */
  readonly admission: StreamAdmission;
  /** Longest time a stream may be without an allocation. */
  readonly unprovenTimeoutMs: number;
  readonly nextKey: () => string;
  readonly onOpen: (connection: StreamConnection) => void;
  readonly onClose: (connection: StreamConnection, reason: StreamCloseReason) => void;
  readonly onRefused: (reason: StreamRefusal | 'handshake') => void;
}

export class StreamConnections {
  readonly #options: StreamConnectionsOptions;
  readonly #connections = new Set<StreamConnection>();
  #closed = false;

  constructor(options: StreamConnectionsOptions) {
    this.#options = options;
  }

  /** Counts a socket in before its handshake; false: it was turned away, counted and destroyed. */
  admit(socket: Socket): boolean {
    const address = canonicalAddress(socket.remoteAddress ?? '');
    const refusal =
      address === undefined || this.#closed ? 'handshake' : this.#options.admission.admit(address);
    if (refusal !== undefined || address === undefined) {
      this.#options.onRefused(refusal ?? 'handshake');
      socket.destroy();
      return false;
    }
    socket.on('close', () => this.#options.admission.release(address));
    return true;
  }

  /** Serves an admitted socket whose handshake is over. */
  open(socket: Socket, transport: 'tcp' | 'tls'): void {
    const { remotePort: port } = socket;
    const address = canonicalAddress(socket.remoteAddress ?? '');
    if (address === undefined || port === undefined || this.#closed) return void socket.destroy();
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

  /** Takes a TLS connection over from another door. What it has received and not read is not lost. */
  adopt(socket: Socket): void {
    socket.on('error', () => undefined);
    if (!this.admit(socket)) return;
    this.#options.admission.handshakeOver();
    this.open(socket, 'tls');
  }

  /** Closes streams that have held no allocation for too long. */
  sweep(now: number): void {
    for (const connection of this.#connections) {
      const since = connection.idleSince;
      if (since !== undefined && now - since > this.#options.unprovenTimeoutMs)
        connection.close('no-allocation');
    }
  }

  close(): void {
    this.#closed = true;
    for (const connection of this.#connections) connection.close('shutdown');
  }
}
