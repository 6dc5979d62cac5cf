// The relay engine on node:dgram. Slower than a native one by the price of JavaScript per packet; needs no compiler.
// Trusts no packet: an allocation's RelayPath decides on each. Memory: two sockets and two maps per allocation, all
// bounded by the machine that gives the orders; packets are never queued here, only in the kernel's buffers.
import { randomFillSync } from 'node:crypto';
import { looksLikeChannelData } from '../channel-data.ts';
import { canonicalAddress, type TransportAddress } from '../ip-address.ts';
import type { PeerPorts } from '../policy/peer-policy.ts';
import type { AllocationId } from '../server/turn-input.ts';
import { looksLikeStun } from '../stun.ts';
import type { AddressFamily } from '../turn-values.ts';
import { isSendIndication } from './indications.ts';
import { PortableAllocation } from './portable-allocation.ts';
import {
  RelayEngineError,
  relayRefusal,
  type ClientEnd,
  type ListenerId,
  type RelayCounters,
  type RelayEngine,
  type RelayEvents,
  type RelaySpec,
} from './relay-engine.ts';
import type { OwnAddress } from './relay-path.ts';
import { UdpSocket } from '../udp-socket.ts';

export interface PortableRelayOptions {
  /** How our announced addresses are reached on this machine. */
  readonly own: readonly OwnAddress[];
  readonly listenerBufferBytes: number;
  readonly relayBufferBytes: number;
  readonly events: RelayEvents;
}

interface Listener {
  readonly socket: UdpSocket;
  /** Port → address → allocation: no text is made per packet. */
  readonly clients: Map<number, Map<string, PortableAllocation>>;
}

export class PortableRelay implements RelayEngine {
  readonly kind = 'portable';
  /** node:dgram has no way to set DF. */
  readonly supportsDontFragment = false;
  /** node:dgram has no way to read a socket's error queue. */
  readonly tellsIcmp = false;
  readonly #options: PortableRelayOptions;
  readonly #listeners = new Map<ListenerId, Listener>();
  readonly #allocations = new Map<AllocationId, PortableAllocation>();
  readonly #transactionIds = new TransactionIds();
  #lastListener = 0;
  #closed = false;

  constructor(options: PortableRelayOptions) {
    this.#options = options;
  }

  async openListener(bind: TransportAddress): Promise<{ id: ListenerId; bound: TransportAddress }> {
    const id = ++this.#lastListener;
    const clients: Listener['clients'] = new Map();
    const socket = await UdpSocket.open({
      bind,
      bufferBytes: this.#options.listenerBufferBytes,
      onPacket: (bytes, address, port) => this.#fromClient(id, clients, bytes, address, port),
      onFailure: (code) => this.#options.events.onFailure('listener', code),
      refusal: relayRefusal,
    });
    if (this.#closed) {
      socket.close();
      throw new RelayEngineError('closed', 'the engine is closed');
    }
    this.#listeners.set(id, { socket, clients });
    return { id, bound: socket.bound };
  }

  sendControl(listener: ListenerId, remote: TransportAddress, bytes: Buffer): void {
    this.#listeners.get(listener)?.socket.send(bytes, remote.address, remote.port);
  }

  async open(spec: RelaySpec): Promise<void> {
    const allocation = new PortableAllocation({
      own: this.#options.own,
      bufferBytes: this.#options.relayBufferBytes,
      toClient: this.#sender(spec.client),
      padded: spec.client.kind === 'stream',
      transactionId: () => this.#transactionIds.next(),
      onFailure: (code) => this.#options.events.onFailure('relay', code),
    });
    this.#allocations.set(spec.allocation, allocation);
    try {
      await allocation.open(spec.relays);
    } catch (error) {
      this.closeRelay(spec.allocation);
      throw error;
    }
    if (allocation.closed) throw new RelayEngineError('closed', 'the allocation ended meanwhile');
    this.#attach(allocation, spec.client);
  }

  setClient(id: AllocationId, client: ClientEnd): void {
    const allocation = this.#allocations.get(id);
    if (allocation === undefined) return;
    this.#detach(allocation);
    allocation.setClient(this.#sender(client), client.kind === 'stream');
    this.#attach(allocation, client);
  }

  permit(allocation: AllocationId, address: string, ports: PeerPorts): void {
    this.#allocations.get(allocation)?.path.permit(address, ports);
  }

  forbid(allocation: AllocationId, address: string): void {
    this.#allocations.get(allocation)?.path.forbid(address);
  }

  bindChannel(allocation: AllocationId, channel: number, peer: TransportAddress): void {
    this.#allocations.get(allocation)?.path.bindChannel(channel, peer);
  }

  unbindChannel(allocation: AllocationId, channel: number): void {
    this.#allocations.get(allocation)?.path.unbindChannel(channel);
  }

  fromStream(allocation: AllocationId, bytes: Buffer): void {
    const found = this.#allocations.get(allocation);
    if (found === undefined) this.#options.events.onStray('no-allocation', 1);
    else found.fromClient(bytes);
  }

  closeRelay(id: AllocationId, family?: AddressFamily): void {
    const allocation = this.#allocations.get(id);
    if (allocation === undefined) return;
    allocation.close(family);
    if (!allocation.closed) return;
    this.#detach(allocation);
    this.#allocations.delete(id);
  }

  counters(allocation: AllocationId): RelayCounters | undefined {
    return this.#allocations.get(allocation)?.counters();
  }

  sizes(): { listeners: number; relays: number } {
    return { listeners: this.#listeners.size, relays: this.#allocations.size };
  }

  close(): Promise<void> {
    this.#closed = true;
    for (const id of this.#allocations.keys()) this.closeRelay(id);
    for (const { socket } of this.#listeners.values()) socket.close();
    this.#listeners.clear();
    return Promise.resolve();
  }

  #fromClient(
    id: ListenerId,
    clients: Listener['clients'],
    bytes: Buffer,
    address: string,
    port: number,
  ): void {
    if (looksLikeChannelData(bytes) || isSendIndication(bytes)) {
      const allocation = clients.get(port)?.get(address);
      if (allocation === undefined) this.#options.events.onStray('no-allocation', 1);
      else allocation.fromClient(bytes);
      return;
    }
    if (!looksLikeStun(bytes)) return this.#options.events.onStray('not-turn', 1);
    // A source with an interface's name in it (fe80::1%eth0) cannot be told in a STUN answer.
    const source = canonicalAddress(address);
    if (source === undefined) return this.#options.events.onStray('link-local', 1);
    this.#options.events.onControl(id, { address: source, port }, bytes);
  }

  #sender(client: ClientEnd): (bytes: Buffer) => boolean {
    if (client.kind === 'stream') return client.send;
    const socket = this.#listeners.get(client.listener)?.socket;
    const { address, port } = client.remote;
    return (bytes) => socket?.send(bytes, address, port) ?? false;
  }

  #attach(allocation: PortableAllocation, client: ClientEnd): void {
    const clients = client.kind === 'udp' ? this.#listeners.get(client.listener)?.clients : undefined;
    if (client.kind !== 'udp' || clients === undefined) return;
    const { address, port } = client.remote;
    const atPort = clients.get(port) ?? new Map<string, PortableAllocation>();
    clients.set(port, atPort.set(address, allocation));
    allocation.detach = () => {
      atPort.delete(address);
      if (atPort.size === 0 && clients.get(port) === atPort) clients.delete(port);
    };
  }

  #detach(allocation: PortableAllocation): void {
    allocation.detach?.();
    allocation.detach = undefined;
  }
}

/** Transaction ids of Data indications: random and drawn in bulk, because one draw costs more than a packet. */
class TransactionIds {
  readonly #pool = Buffer.alloc(12 * 256);
  #next = this.#pool.length;

  next(): Buffer {
    if (this.#next >= this.#pool.length) {
      randomFillSync(this.#pool);
      this.#next = 0;
    }
    this.#next += 12;
    return this.#pool.subarray(this.#next - 12, this.#next);
  }
}
