// The media engine whose packet path is the compiled one in src/: threads of its own, no JavaScript per packet.
// This file turns its numbers into the interface's words; handles, limits and refusals are the binding's.
import { endianness } from 'node:os';
import type { TransportAddress } from '../../turn/index.ts';
import {
  EngineError,
  type CapturedPacket,
  type CaptureId,
  type CaptureSpec,
  type CryptoId,
  type CryptoSpec,
  type EngineErrorCode,
  type EngineEvent,
  type FlowChange,
  type FlowCounters,
  type FlowDrop,
  type FlowId,
  type FlowSpec,
  type LinkCounters,
  type LinkId,
  type MediaEngine,
  type OpenedPort,
  type PortId,
  type PortSpec,
} from '../engine.ts';
import { checkedFlow } from '../checked-flow.ts';
import { ClockWatch } from '../clock-watch.ts';
import type { EngineLimits } from '../portable-engine/portable-engine.ts';
import type { SourceState } from '../srtp.ts';
import type { NativeBinding, NativeHandle, NativeListener } from './binding.ts';

export interface NativeEngineOptions {
  /** Calls `action` each `periodMs` until the returned function is called. */
  readonly every: (periodMs: number, action: () => void) => () => void;
  readonly onEvent: (event: EngineEvent) => void;
  /** How often idle flows and bad tags are looked for. */
  readonly sweepMs: number;
  readonly limits: EngineLimits;
  /** Threads. */
  readonly shards: number;
  /** Steady and of the day, in milliseconds: a step of the latter is told. */
  readonly now: () => number;
  readonly timeOfDay: () => number;
}

/** A native engine, its thread running. */
export function createNativeEngine(binding: NativeBinding, options: NativeEngineOptions): NativeEngine {
  return new NativeEngine(binding, options);
}

/** EventType of events.h, by number. */
const EVENTS = ['proven', 'source', 'active', 'stun', 'port-failed', 'check', 'shard'] as const;
/** Drop of counters.h, by number. */
const DROPS: readonly FlowDrop[] = [
  'foreign-source',
  'probe-rate',
  'short',
  'not-rtp',
  'bad-tag',
  'replay',
  'source-limit',
  'key-exhausted',
  'no-destination',
  'send-failed',
];
const CODES: readonly EngineErrorCode[] = [
  'address-in-use',
  'bind-failed',
  'unknown-handle',
  'input-taken',
  'full',
  'closed',
  'wrong-shard',
];
/** Numbers of a source in a list of states. */
const STATE_NUMBERS = 12;

const LITTLE_ENDIAN = endianness() === 'LE';

export class NativeEngine implements MediaEngine {
  readonly kind = 'native';
  readonly #binding: NativeBinding;
  readonly #engine: NativeHandle;
  readonly #options: NativeEngineOptions;
  readonly #stopSweep: () => void;
  /** Handles that are still ours: an event of another one comes too late to matter. */
  readonly #flows = new Set<FlowId>();
  readonly #ports = new Set<PortId>();
  readonly #stuck = new Set<number>();
  readonly #clocks: ClockWatch;
  readonly shards: number;

  constructor(binding: NativeBinding, options: NativeEngineOptions) {
    this.#binding = binding;
    this.#options = options;
    this.shards = options.shards;
    this.#clocks = new ClockWatch(options.now, options.timeOfDay);
    this.#engine = binding.create(options.limits, this.#listener, options.shards);
    this.#stopSweep = options.every(options.sweepMs, () => this.#sweep());
  }

  async openPort(spec: PortSpec): Promise<OpenedPort> {
    const [id, port, receiveBufferBytes] = named(() =>
      this.#binding.openPort(this.#engine, spec.bind, spec.use === 'trunk', spec.shard ?? 0),
    );
    this.#ports.add(id);
    return { id, bound: { address: spec.bind.address, port }, receiveBufferBytes };
  }

  closePort(port: PortId): void {
    this.#ports.delete(port);
    this.#binding.closePort(this.#engine, port);
  }

  movePort(port: PortId, shard: number): void {
    named(() => this.#binding.movePort(this.#engine, port, shard));
  }

  sendStun(port: PortId, bytes: Buffer, to: TransportAddress): void {
    this.#binding.sendStun(this.#engine, port, bytes, to);
  }

  addLink(port: PortId, remote: TransportAddress | undefined): LinkId {
    return named(() => this.#binding.addLink(this.#engine, port, remote));
  }

  setLinkRemote(link: LinkId, remote: TransportAddress | undefined): void {
    named(() => this.#binding.setLinkRemote(this.#engine, link, remote));
  }

  setLinkPort(link: LinkId, port: PortId): void {
    named(() => this.#binding.setLinkPort(this.#engine, link, port));
  }

  removeLink(link: LinkId): void {
    this.#binding.removeLink(this.#engine, link);
  }

  linkCounters(link: LinkId): LinkCounters {
    const values = this.#binding.linkCounters(this.#engine, link);
    if (values === undefined) throw unknown('link', link);
    const [packetsIn = 0, packetsOut = 0, unknownChannel = 0, malformed = 0] = values;
    return { packetsIn, packetsOut, unknownChannel, malformed };
  }

  /** Throws RangeError when a key has the wrong size for its suite. */
  addCrypto(spec: CryptoSpec): CryptoId {
    return named(() => this.#binding.addCrypto(this.#engine, spec));
  }

  removeCrypto(crypto: CryptoId): void {
    this.#binding.removeCrypto(this.#engine, crypto);
  }

  /** Waits for the end of the engine's round: at most a fraction of a millisecond. */
  cryptoStates(crypto: CryptoId): SourceState[] {
    const values = this.#binding.cryptoStates(this.#engine, crypto);
    if (values === undefined) throw unknown('crypto', crypto);
    return Array.from({ length: values.length / STATE_NUMBERS }, (_, at) => {
      const of = values.slice(at * STATE_NUMBERS, (at + 1) * STATE_NUMBERS);
      const [ssrc = 0, rtpIndex = -1, rtcpIndex = -1, sequenceOffset = 0] = of;
      const [rtpSeen, rtcpSeen] = [of.slice(4, 8), of.slice(8)];
      return { ssrc, rtpIndex, rtcpIndex, rtpSeen, rtcpSeen, sequenceOffset };
    });
  }

  openCapture(spec: CaptureSpec): CaptureId {
    return named(() => this.#binding.openCapture(this.#engine, spec.packets, spec.snapBytes));
  }

  closeCapture(capture: CaptureId): void {
    this.#binding.closeCapture(this.#engine, capture);
  }

  readCapture(capture: CaptureId): CapturedPacket[] {
    const records = this.#binding.readCapture(this.#engine, capture);
    if (records === undefined) throw unknown('capture', capture);
    return [...packetsOf(records)];
  }

  addFlow(spec: FlowSpec): FlowId {
    const flow = named(() => this.#binding.addFlow(this.#engine, checkedFlow(spec)));
    this.#flows.add(flow);
    return flow;
  }

  changeFlow(flow: FlowId, change: FlowChange): void {
    named(() => this.#binding.changeFlow(this.#engine, flow, checkedFlow(change)));
  }

  removeFlow(flow: FlowId): void {
    this.#flows.delete(flow);
    this.#binding.removeFlow(this.#engine, flow);
  }

  counters(flow: FlowId): FlowCounters {
    const values = this.#binding.counters(this.#engine, flow);
    if (values === undefined) throw unknown('flow', flow);
    const [packetsIn = 0, bytesIn = 0, packetsOut = 0, probed = 0, lost = 0, jitterMs = 0, ...drops] = values;
    const byReason = Object.fromEntries(DROPS.map((reason, at) => [reason, drops[at] ?? 0]));
    const reasons = byReason as Record<FlowDrop, number>;
    return { packetsIn, bytesIn, packetsOut, probed, lost, jitterMs, drops: reasons };
  }

  tokenSource(flow: FlowId, token: number): TransportAddress | undefined {
    return this.#binding.tokenSource(this.#engine, flow, token);
  }

  sizes(): ReturnType<MediaEngine['sizes']> {
    const [ports = 0, links = 0, crypto = 0, flows = 0, captures = 0] = this.#binding.sizes(this.#engine);
    return { ports, links, crypto, flows, captures };
  }

  async close(): Promise<void> {
    this.#stopSweep();
    this.#flows.clear();
    this.#ports.clear();
    this.#binding.close(this.#engine);
  }

  /** Puts a clock of the caller's in place of the machine's: for tests. */
  setClock(nowMs: number): void {
    this.#binding.setClock(this.#engine, nowMs);
  }

  /** For tests: makes a shard's thread throw, end, or sleep that many milliseconds. */
  disturb(shard: number, how: 'throw' | 'end' | number): void {
    const numbers = { throw: 0, end: 1 } as const;
    this.#binding.disturb(this.#engine, shard, typeof how === 'number' ? how : numbers[how]);
  }

  readonly #listener: NativeListener = (type, handle, value, source, bytes, code) => {
    const { onEvent } = this.#options;
    const name = EVENTS[type];
    if (name === 'stun' || name === 'port-failed') {
      if (!this.#ports.has(handle)) return;
      if (name === 'port-failed') onEvent({ type: name, port: handle, code: code ?? 'unknown' });
      else if (source !== undefined && bytes !== undefined)
        onEvent({ type: name, port: handle, source, bytes });
      return;
    }
    if (name === 'shard') {
      onEvent({ type: name, shard: handle, state: 'restarted', cause: code ?? 'unknown' });
      return;
    }
    if (!this.#flows.has(handle)) return;
    if (name === 'proven') onEvent({ type: name, flow: handle, token: value });
    else if (name === 'check' && bytes !== undefined)
      onEvent({ type: name, flow: handle, token: value, bytes });
    else if (name === 'active') onEvent({ type: name, flow: handle });
    else if (name === 'source' && source !== undefined) onEvent({ type: name, flow: handle, source });
  };

  #lookAtShards(): void {
    const states = this.#binding.lookAtShards(this.#engine);
    for (let shard = 0; shard < this.shards; shard++) {
      const stuck = states[shard * 2 + 1] === 1;
      if (stuck === this.#stuck.has(shard)) continue;
      if (stuck) this.#stuck.add(shard);
      else this.#stuck.delete(shard);
      this.#options.onEvent({
        type: 'shard',
        shard,
        state: stuck ? 'stuck' : 'running',
        cause: stuck ? 'its thread does not come round' : '',
      });
    }
  }

  #sweep(): void {
    this.#lookAtShards();
    const byMs = this.#clocks.step();
    if (byMs !== undefined) this.#options.onEvent({ type: 'clock-step', byMs });
    const findings = this.#binding.sweep(this.#engine);
    for (let at = 0; at + 1 < findings.length; at += 2) {
      const [flow, packets] = [findings[at]!, findings[at + 1]!];
      if (!this.#flows.has(flow)) continue;
      this.#options.onEvent(packets === 0 ? { type: 'idle', flow } : { type: 'bad-tags', flow, packets });
    }
  }
}

/** Gives the binding's errors their class. */
function named<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const known = CODES.find((candidate) => candidate === code);
    if (known !== undefined) throw new EngineError(known, message, { cause: error });
    throw code === 'bad-key' ? new RangeError(message, { cause: error }) : error;
  }
}

/** Reads what `readCapture` of the binding gives. */
function* packetsOf(records: Buffer): Generator<CapturedPacket> {
  const view = new DataView(records.buffer, records.byteOffset, records.length);
  for (let at = 0; at < records.length;) {
    const word = (index: number): number => view.getUint32(at + 8 + index * 4, LITTLE_ENDIAN);
    const bytes = Buffer.from(records.subarray(at + 20, at + 20 + word(2)));
    yield { atMs: view.getFloat64(at, LITTLE_ENDIAN), flow: word(0), length: word(1), bytes };
    at += 20 + bytes.length;
  }
}

function unknown(what: string, handle: number): EngineError {
  return new EngineError('unknown-handle', `no ${what} ${handle} in the media engine`);
}
