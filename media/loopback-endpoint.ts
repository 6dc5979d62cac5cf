// A UDP endpoint on loopback for tests and benches: sends, and lets a test wait for what arrives.
// No timers: a wait ends with a packet or with the test's own deadline.
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import type { TransportAddress } from '../turn/index.ts';

export interface Datagram {
  readonly bytes: Buffer;
  readonly from: TransportAddress;
}

export class LoopbackEndpoint {
  readonly address: TransportAddress;
  readonly received: Datagram[] = [];
  #open = true;
  readonly #socket: Socket;
  readonly #waiting: ((datagram: Datagram) => void)[] = [];
  #taken = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const { address, port } = socket.address();
    this.address = { address, port };
    socket.on('message', (bytes, from) => this.#arrive(bytes, from));
  }

  static open(address = '127.0.0.1', port = 0): Promise<LoopbackEndpoint> {
    const { promise, resolve, reject } = Promise.withResolvers<LoopbackEndpoint>();
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    socket.once('error', reject);
    socket.bind(port, address, () => resolve(new LoopbackEndpoint(socket)));
    return promise;
  }

  #arrive(bytes: Buffer, from: RemoteInfo): void {
    const datagram = { bytes, from: { address: from.address, port: from.port } };
    this.received.push(datagram);
    const waiter = this.#waiting.shift();
    if (waiter === undefined) return;
    this.#taken += 1;
    waiter(datagram);
  }

  /** Resolves once the kernel has taken the datagram. */
  send(bytes: Buffer, to: TransportAddress): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#socket.send(bytes, to.port, to.address, (error) => (error ? reject(error) : resolve()));
    return promise;
  }

  /** The next datagram that no earlier call has taken. */
  next(): Promise<Datagram> {
    const ready = this.received[this.#taken];
    if (ready !== undefined) {
      this.#taken += 1;
      return Promise.resolve(ready);
    }
    const { promise, resolve } = Promise.withResolvers<Datagram>();
    this.#waiting.push(resolve);
    return promise;
  }

  /** Idempotent. */
  close(): void {
    if (this.#open) this.#socket.close();
    this.#open = false;
  }
}
