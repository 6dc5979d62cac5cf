// One UDP socket of the portable engine. Owns the node:dgram socket from bind to close.
// Node resolves even literal addresses by default; the lookup here answers at once, so a send stays in this tick.
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { TransportAddress } from '../../turn/index.ts';
import { EngineError } from '../engine.ts';

export interface UdpPortOptions {
  readonly bind: TransportAddress;
  /** Kernel receive and send buffers; undefined leaves the system's default. */
  readonly bufferBytes?: number | undefined;
  readonly onPacket: (bytes: Buffer, address: string, port: number) => void;
  readonly onFailure: (code: string) => void;
}

type Lookup = (
  hostname: string,
  options: unknown,
  done: (error: null, address: string, family: number) => void,
) => void;

export class UdpPort {
  readonly bound: TransportAddress;
  readonly receiveBufferBytes: number;
  readonly #socket: Socket;
  #open = true;

  private constructor(socket: Socket, options: UdpPortOptions) {
    this.#socket = socket;
    this.bound = { address: options.bind.address, port: socket.address().port };
    this.receiveBufferBytes = socket.getRecvBufferSize();
    socket.on('message', (bytes, source) => {
      // Nobody can answer port 0, which only a forged packet has, and node:dgram throws when asked to.
      if (this.#open && source.port !== 0) options.onPacket(bytes, source.address, source.port);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => options.onFailure(error.code ?? 'unknown'));
  }

  /** Rejects EngineError `address-in-use` or `bind-failed`; the socket is closed then. */
  static open(options: UdpPortOptions): Promise<UdpPort> {
    const { promise, resolve, reject } = Promise.withResolvers<UdpPort>();
    const { address, port } = options.bind;
    const six = isIPv6(address);
    const lookup: Lookup = (hostname, _options, done) => done(null, hostname, six ? 6 : 4);
    const socket = createSocket({ type: six ? 'udp6' : 'udp4', ipv6Only: six, lookup });
    const refuse = (error: NodeJS.ErrnoException): void => {
      socket.close();
      const code = error.code === 'EADDRINUSE' ? 'address-in-use' : 'bind-failed';
      reject(new EngineError(code, `UDP ${address}:${port}: ${error.code}`, { cause: error }));
    };
    socket.once('error', refuse);
    socket.bind({ address, port, exclusive: true }, () => {
      socket.off('error', refuse);
      setBuffers(socket, options.bufferBytes);
      resolve(new UdpPort(socket, options));
    });
    return promise;
  }

  /** Hands one datagram to the kernel; a failure is told to `onFailure`. False once closed, and for port 0. */
  send(bytes: Buffer, remote: TransportAddress): boolean {
    if (!this.#open || remote.port === 0) return false;
    this.#socket.send(bytes, remote.port, remote.address);
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
