// One allocation of the portable relay: its sockets, its data path, its counters. Forwards or drops each packet in the
// tick it came in; closes for good, one family or all.
import type { RelayEnd } from '../server/turn-input.ts';
import type { AddressFamily } from '../turn-values.ts';
import { relayRefusal, type RelayCounters } from './relay-engine.ts';
import { RelayPath, type OwnAddress, type RelayDrop } from './relay-path.ts';
import { UdpSocket } from '../udp-socket.ts';

export interface PortableAllocationOptions {
  readonly own: readonly OwnAddress[];
  readonly bufferBytes: number;
  readonly toClient: (bytes: Buffer) => boolean;
  readonly padded: boolean;
  readonly transactionId: () => Buffer;
  readonly onFailure: (code: string) => void;
}

export class PortableAllocation {
  readonly path: RelayPath;
  /** Takes it out of its listener's table. */
  detach: (() => void) | undefined = undefined;
  readonly #options: PortableAllocationOptions;
  #toClient: (bytes: Buffer) => boolean;
  #four: UdpSocket | undefined;
  #six: UdpSocket | undefined;
  #closed = false;
  #packetsFromClient = 0;
  #bytesFromClient = 0;
  #packetsFromPeers = 0;
  #bytesFromPeers = 0;
  readonly #drops: Record<RelayDrop, number> = {
    malformed: 0,
    'unknown-channel': 0,
    'no-permission': 0,
    'port-denied': 0,
    'no-relay': 0,
    'no-allocation': 0,
    'client-slow': 0,
    'socket-error': 0,
  };

  constructor(options: PortableAllocationOptions) {
    this.#options = options;
    this.#toClient = options.toClient;
    this.path = new RelayPath(options);
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Opens all sockets or throws the first failure; what was opened by then is closed by `close`. */
  async open(relays: readonly RelayEnd[]): Promise<void> {
    for (const { family, bound } of relays) {
      const socket = await UdpSocket.open({
        bind: bound,
        bufferBytes: this.#options.bufferBytes,
        onPacket: (bytes, address, port) => this.#fromPeer(bytes, address, port),
        onFailure: (code) => this.#failed(code),
        refusal: relayRefusal,
      });
      if (this.#closed) return socket.close();
      if (family === 4) this.#four = socket;
      else this.#six = socket;
    }
  }

  setClient(toClient: (bytes: Buffer) => boolean, padded: boolean): void {
    this.#toClient = toClient;
    this.path.setPadded(padded);
  }

  /** One ChannelData message or Send indication of the client. */
  fromClient(bytes: Buffer): void {
    const outbound = this.path.fromClient(bytes);
    if (typeof outbound === 'string') return this.#drop(outbound);
    const socket = outbound.six ? this.#six : this.#four;
    if (socket === undefined) return this.#drop('no-relay');
    this.#packetsFromClient += 1;
    this.#bytesFromClient += outbound.payload.length;
    socket.send(outbound.payload, outbound.address, outbound.port);
  }

  #fromPeer(payload: Buffer, address: string, port: number): void {
    const bytes = this.path.fromPeer(payload, address, port, this.#options.transactionId);
    if (typeof bytes === 'string') return this.#drop(bytes);
    if (!this.#toClient(bytes)) return this.#drop('client-slow');
    this.#packetsFromPeers += 1;
    this.#bytesFromPeers += payload.length;
  }

  /** The socket told an error: counted; the relay lives on. */
  #failed(code: string): void {
    this.#drop('socket-error');
    this.#options.onFailure(code);
  }

  #drop(reason: RelayDrop): void {
    this.#drops[reason] += 1;
  }

  counters(): RelayCounters {
    return {
      packetsFromClient: this.#packetsFromClient,
      bytesFromClient: this.#bytesFromClient,
      packetsFromPeers: this.#packetsFromPeers,
      bytesFromPeers: this.#bytesFromPeers,
      drops: { ...this.#drops },
    };
  }

  close(family?: AddressFamily): void {
    if (family !== 6) this.#four = closed(this.#four);
    if (family !== 4) this.#six = closed(this.#six);
    this.#closed ||= family === undefined || (this.#four === undefined && this.#six === undefined);
  }
}

function closed(socket: UdpSocket | undefined): undefined {
  socket?.close();
}
