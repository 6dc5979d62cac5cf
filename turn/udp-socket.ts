// One UDP socket of the portable engines, TURN's and media's. Owns the node:dgram socket from bind to close; errors are heard from the start.
// Node resolves even literal addresses by default; the lookup here answers at once, so a send stays in this tick.
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { TransportAddress } from './ip-address.ts';

export interface UdpSocketOptions {
  readonly bind: TransportAddress;
  /** Kernel receive and send buffer of this socket; undefined leaves the system's default. */
  readonly bufferBytes: number | undefined;
  readonly onPacket: (bytes: Buffer, address: string, port: number) => void;
  readonly onFailure: (code: string) => void;
  /** Told of each packet that the kernel refuses too: node:dgram says it only to a callback, which costs every packet. */
  readonly hearsSends?: boolean;
  /** The error that `open` rejects with, in the words of who asks. */
  readonly refusal: (code: 'address-in-use' | 'bind-failed', text: string, options: ErrorOptions) => Error;
}

type Lookup = (
  hostname: string,
  options: unknown,
  done: (error: null, address: string, family: number) => void,
) => void;

export class UdpSocket {
  readonly bound: TransportAddress;
  readonly receiveBufferBytes: number;
  readonly #socket: Socket;
  readonly #sent: ((error: NodeJS.ErrnoException | null) => void) | undefined;
  #open = true;

  private constructor(socket: Socket, options: UdpSocketOptions) {
    this.#socket = socket;
    const sent = (error: NodeJS.ErrnoException | null): void => {
      if (error !== null) options.onFailure(error.code ?? 'unknown');
    };
    this.#sent = options.hearsSends === true ? sent : undefined;
    this.bound = { address: options.bind.address, port: socket.address().port };
    this.receiveBufferBytes = socket.getRecvBufferSize();
    socket.on('message', (bytes, source) => {
      // Nobody can answer port 0, which only a forged packet has, and node:dgram throws when asked to.
      if (this.#open && source.port !== 0) options.onPacket(bytes, source.address, source.port);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => options.onFailure(error.code ?? 'unknown'));
  }

  /** Rejects with the caller's `refusal`; the socket is closed then. */
  static open(options: UdpSocketOptions): Promise<UdpSocket> {
    const { promise, resolve, reject } = Promise.withResolvers<UdpSocket>();
    const { address, port } = options.bind;
    const six = isIPv6(address);
    const lookup: Lookup = (hostname, _options, done) => done(null, hostname, six ? 6 : 4);
    const socket = createSocket({ type: six ? 'udp6' : 'udp4', ipv6Only: six, lookup });
    const refuse = (error: NodeJS.ErrnoException): void => {
      socket.close();
      const code = error.code === 'EADDRINUSE' ? 'address-in-use' : 'bind-failed';
      reject(options.refusal(code, `UDP ${address}:${port}: ${error.code}`, { cause: error }));
    };
    socket.once('error', refuse);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', refuse);
      setBuffers(socket, options.bufferBytes);
      resolve(new UdpSocket(socket, options));
    });
    return promise;
  }

  /** Hands one datagram to the kernel; what that refuses is lost, as on a network. False once closed, and for port 0. */
  send(bytes: Buffer, address: string, port: number): boolean {
    if (!this.#open || port === 0) return false;
    if (this.#sent === undefined) this.#socket.send(bytes, port, address);
    else this.#socket.send(bytes, port, address, this.#sent);
    return true;
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#socket.close();
  }
}

function setBuffers(socket: Socket, bytes: number | undefined): void {
  if (bytes === undefined) return;
  socket.setRecvBufferSize(bytes);
  socket.setSendBufferSize(bytes);
}
