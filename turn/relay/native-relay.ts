// The relay engine whose data path is the compiled one in native/: a thread of its own, no JavaScript per packet over UDP.
// This file turns its numbers into the interface's words. Trusts the thread for what a packet may do; memory is bounded by
// the number of allocations and by the three queues of upward.h.
import { addressText, type TransportAddress } from '../ip-address.ts';
import type { PeerPorts } from '../policy/peer-policy.ts';
import type { AllocationId } from '../server/turn-input.ts';
import { unknownAttributes } from '../server/unknown-attributes.ts';
import { METHOD } from '../stun.ts';
import type { AddressFamily } from '../turn-values.ts';
import type { NativeHandle, NativeRelayBinding } from './native-binding.ts';
import {
  RelayEngineError,
  type ClientEnd,
  type ListenerId,
  type RelayCounters,
  type RelayEngine,
  type RelayEvents,
  type RelaySpec,
  type StrayReason,
} from './relay-engine.ts';
import type { OwnAddress, RelayDrop } from './relay-path.ts';

export interface NativeRelayOptions {
  /** How our announced addresses are reached on this machine. */
  readonly own: readonly OwnAddress[];
  readonly listenerBufferBytes: number;
  readonly relayBufferBytes: number;
  readonly maxRelays: number;
  /** Requests of one client in a second that are heard before those of strangers. */
  readonly controlsPerSecond: number;
  readonly events: RelayEvents;
  /** Calls `work` each `ms` until the returned function is called. */
  readonly every: (ms: number, work: () => void) => () => void;
  /** How often what was dropped before any allocation is told. */
  readonly sweepMs: number;
}

/** Upcall of upward.h, by number. */
const CONTROL = 0;
const DATA = 1;
/** Bytes of a record before what it carries. */
const RECORD_HEAD_BYTES = 28;
/** RelayDrop of drops.h, by number. */
const DROPS: readonly RelayDrop[] = [
  'malformed',
  'unknown-channel',
  'no-permission',
  'port-denied',
  'no-relay',
  'no-allocation',
  'client-slow',
  'socket-error',
];
/** What a record of failure is about, by number. */
const FAILURES = ['relay', 'listener', 'engine'] as const;
/** Stray of turn-path.h, then what the lanes of upward.h had no room for; data of streams is counted by allocation. */
const STRAYS: readonly (StrayReason | undefined)[] = [
  'no-allocation',
  'not-turn',
  'link-local',
  'clients-queue',
  undefined,
  'strangers-queue',
];
const CODES: readonly RelayEngineError['code'][] = ['address-in-use', 'bind-failed', 'closed'];

/** What goes to a client on a stream, which only its door knows to have gone. */
interface StreamEnd {
  readonly send: (bytes: Buffer) => boolean;
}
interface StreamCounters {
  packets: number;
  bytes: number;
  slow: number;
}

export class NativeRelay implements RelayEngine {
  readonly kind = 'native';
  readonly supportsDontFragment = true;
  readonly tellsIcmp = true;
  readonly #binding: NativeRelayBinding;
  readonly #options: NativeRelayOptions;
  readonly #relay: NativeHandle;
  readonly #stopSweep: () => void;
  readonly #streams = new Map<AllocationId, StreamEnd>();
  readonly #streamCounters = new Map<AllocationId, StreamCounters>();
  #strays: number[] = STRAYS.map(() => 0);
  #closed = false;

  constructor(binding: NativeRelayBinding, options: NativeRelayOptions) {
    const { own, listenerBufferBytes, relayBufferBytes, maxRelays, controlsPerSecond } = options;
    this.#binding = binding;
    this.#options = options;
    const limits = { listenerBufferBytes, relayBufferBytes, maxRelays, controlsPerSecond };
    const translated = own.filter(({ announced, reachable }) => announced !== reachable);
    this.#relay = binding.create(
      { ...limits, own: translated, knownAttributes: knownAttributes() },
      this.#take,
    );
    this.#stopSweep = options.every(options.sweepMs, () => this.#sweep());
  }

  async openListener(bind: TransportAddress): Promise<{ id: ListenerId; bound: TransportAddress }> {
    const [id, port] = named(() => this.#binding.openListener(this.#relay, bind.address, bind.port));
    return { id, bound: { address: bind.address, port } };
  }

  sendControl(listener: ListenerId, { address, port }: TransportAddress, bytes: Buffer): void {
    this.#binding.sendControl(this.#relay, listener, address, port, bytes);
  }

  async open({ allocation, client, relays }: RelaySpec): Promise<void> {
    const bounds = relays.map(({ bound }) => bound);
    named(() => this.#binding.open(this.#relay, allocation, ...tupleOf(client), bounds));
    this.#attach(allocation, client);
  }

  setClient(allocation: AllocationId, client: ClientEnd): void {
    if (this.#binding.counters(this.#relay, allocation) === undefined) return;
    this.#binding.setClient(this.#relay, allocation, ...tupleOf(client));
    this.#attach(allocation, client);
  }

  permit(allocation: AllocationId, address: string, ports: PeerPorts): void {
    const bounds = ports?.flatMap(({ first, last }) => [first, last]);
    this.#binding.permit(this.#relay, allocation, address, bounds);
  }

  forbid(allocation: AllocationId, address: string): void {
    this.#binding.forbid(this.#relay, allocation, address);
  }

  bindChannel(allocation: AllocationId, channel: number, { address, port }: TransportAddress): void {
    this.#binding.bindChannel(this.#relay, allocation, channel, address, port);
  }

  unbindChannel(allocation: AllocationId, channel: number): void {
    this.#binding.unbindChannel(this.#relay, allocation, channel);
  }

  fromStream(allocation: AllocationId, bytes: Buffer): void {
    if (!this.#binding.fromStream(this.#relay, allocation, bytes)) {
      this.#options.events.onStray('no-allocation', 1);
    }
  }

  closeRelay(allocation: AllocationId, family?: AddressFamily): void {
    this.#binding.closeRelay(this.#relay, allocation, family ?? 0);
    if (family !== undefined && this.#binding.counters(this.#relay, allocation) !== undefined) return;
    this.#streams.delete(allocation);
    this.#streamCounters.delete(allocation);
  }

  counters(allocation: AllocationId): RelayCounters | undefined {
    const values = this.#binding.counters(this.#relay, allocation);
    if (values === undefined) return undefined;
    const [packetsFromClient = 0, bytesFromClient = 0, packetsFromPeers = 0, bytesFromPeers = 0, ...counts] =
      values;
    const streamed = this.#streamCounters.get(allocation) ?? { packets: 0, bytes: 0, slow: 0 };
    const drops = Object.fromEntries(DROPS.map((reason, at) => [reason, counts[at] ?? 0]));
    return {
      packetsFromClient,
      bytesFromClient,
      packetsFromPeers: packetsFromPeers + streamed.packets,
      bytesFromPeers: bytesFromPeers + streamed.bytes,
      drops: {
        ...(drops as Record<RelayDrop, number>),
        'client-slow': drops['client-slow']! + streamed.slow,
      },
    };
  }

  sizes(): { listeners: number; relays: number } {
    const [listeners = 0, relays = 0] = this.#binding.sizes(this.#relay);
    return { listeners, relays };
  }

  /** Lets the thread die: for tests. */
  disturb(how: 'throw' | 'end'): void {
    this.#binding.disturb(this.#relay, how === 'throw' ? 0 : 1);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopSweep();
    this.#sweep();
    this.#streams.clear();
    this.#streamCounters.clear();
    this.#binding.close(this.#relay);
  }

  /** What has come since the last turn of the loop: | length 32 | record … | again and again. */
  readonly #take = (batch: Buffer, more: boolean): void => {
    if (more) setImmediate(() => this.#binding.wakeAgain(this.#relay));
    for (let at = 0; at < batch.length && !this.#closed;) {
      const end = at + 4 + batch.readUInt32LE(at);
      this.#record(batch.subarray(at + 4, end));
      at = end;
    }
  };

  /** | kind 8 | family 8 | port 16 | id 32 | value 32 | address 128 | bytes … */
  #record(record: Buffer): void {
    const id = record.readUInt32LE(4);
    const value = record.readUInt32LE(8);
    const bytes = record.subarray(RECORD_HEAD_BYTES);
    if (record[0] === CONTROL) {
      const address = addressText(record.subarray(12, record[1] === 4 ? 16 : 28));
      this.#options.events.onControl(id, { address, port: record.readUInt16LE(2) }, bytes);
    } else if (record[0] === DATA) {
      this.#toStream(id, bytes, value);
    } else {
      const code = id === 2 ? 'thread-ended' : this.#binding.errorName(value);
      this.#options.events.onFailure(FAILURES[id] ?? 'relay', code);
    }
  }

  /** An ICMP error carries no payload and is not a packet of a peer. */
  #toStream(allocation: AllocationId, bytes: Buffer, payloadBytes: number): void {
    const counters = this.#streamCounters.get(allocation);
    const isSent = this.#streams.get(allocation)?.send(bytes);
    if (counters === undefined || isSent === undefined) return;
    if (!isSent) {
      counters.slow += 1;
    } else if (payloadBytes > 0 || bytes[0] !== 0) {
      counters.packets += 1;
      counters.bytes += payloadBytes;
    }
  }

  #attach(allocation: AllocationId, client: ClientEnd): void {
    if (client.kind === 'udp') {
      this.#streams.delete(allocation);
      return;
    }
    this.#streams.set(allocation, client);
    if (this.#streamCounters.has(allocation)) return;
    this.#streamCounters.set(allocation, { packets: 0, bytes: 0, slow: 0 });
  }

  #sweep(): void {
    const totals = this.#binding.sweep(this.#relay);
    STRAYS.forEach((reason, at) => {
      const packets = (totals[at] ?? 0) - (this.#strays[at] ?? 0);
      if (packets > 0 && reason !== undefined) this.#options.events.onStray(reason, packets);
    });
    this.#strays = totals;
  }
}

function tupleOf(client: ClientEnd): [listener: number, address: string, port: number] {
  return client.kind === 'udp' ? [client.listener, client.remote.address, client.remote.port] : [0, '', 0];
}

/** Gives the binding's errors their class. */
function named<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const known = CODES.find((candidate) => candidate === code);
    throw known === undefined ? error : new RelayEngineError(known, message, { cause: error });
  }
}

/** What the server knows, asked type by type so that there is one list. */
function knownAttributes(): number[] {
  const message = { class: 'indication', method: METHOD.send, transactionId: NOTHING, raw: NOTHING } as const;
  return Array.from({ length: 0x100 }, (_, type) => type).filter(
    (type) => unknownAttributes({ ...message, attributes: [{ type, value: NOTHING }] }, true).length === 0,
  );
}

const NOTHING = Buffer.alloc(0);
