// The media engine whose packet path is the compiled one in src/: threads of its own, no JavaScript per packet.
// This file turns its numbers into the interface's words; handles, limits and refusals are the binding's.
import type { TransportAddress } from '../../turn/index.ts';
import {
  EngineError,
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
}

/** A native engine, its thread running. */
export function createNativeEngine(binding: NativeBinding, options: NativeEngineOptions): NativeEngine {
  return new NativeEngine(binding, options);
}

/** EventType of events.h, by number. */
const EVENTS = ['proven', 'source', 'active', 'stun', 'port-failed', 'check'] as const;
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
];

export class NativeEngine implements MediaEngine {
  readonly kind = 'native';
  readonly #binding: NativeBinding;
  readonly #engine: NativeHandle;
  readonly #options: NativeEngineOptions;
  readonly #stopSweep: () => void;
  /** Handles that are still ours: an event of another one comes too late to matter. */
  readonly #flows = new Set<FlowId>();
  readonly #ports = new Set<PortId>();

  constructor(binding: NativeBinding, options: NativeEngineOptions) {
    this.#binding = binding;
    this.#options = options;
    this.#engine = binding.create(options.limits, this.#listener);
    this.#stopSweep = options.every(options.sweepMs, () => this.#sweep());
  }

  async openPort(spec: PortSpec): Promise<OpenedPort> {
    const [id, port, receiveBufferBytes] = named(() =>
      this.#binding.openPort(this.#engine, spec.bind, spec.use === 'trunk'),
    );
    this.#ports.add(id);
    return { id, bound: { address: spec.bind.address, port }, receiveBufferBytes };
  }

  closePort(port: PortId): void {
    this.#ports.delete(port);
    this.#binding.closePort(this.#engine, port);
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
    return Array.from({ length: values.length / 3 }, (_, at) => ({
      ssrc: values[at * 3]!,
      rtpIndex: values[at * 3 + 1]!,
      rtcpIndex: values[at * 3 + 2]!,
    }));
  }

  addFlow(spec: FlowSpec): FlowId {
    const flow = named(() => this.#binding.addFlow(this.#engine, spec));
    this.#flows.add(flow);
    return flow;
  }

  changeFlow(flow: FlowId, change: FlowChange): void {
    named(() => this.#binding.changeFlow(this.#engine, flow, change));
  }

  removeFlow(flow: FlowId): void {
    this.#flows.delete(flow);
    this.#binding.removeFlow(this.#engine, flow);
  }

  counters(flow: FlowId): FlowCounters {
    const values = this.#binding.counters(this.#engine, flow);
    if (values === undefined) throw unknown('flow', flow);
    const [packetsIn = 0, bytesIn = 0, packetsOut = 0, probed = 0, ...drops] = values;
    const byReason = Object.fromEntries(DROPS.map((reason, at) => [reason, drops[at] ?? 0]));
    return { packetsIn, bytesIn, packetsOut, probed, drops: byReason as Record<FlowDrop, number> };
  }

  tokenSource(flow: FlowId, token: number): TransportAddress | undefined {
    return this.#binding.tokenSource(this.#engine, flow, token);
  }

  sizes(): { ports: number; links: number; crypto: number; flows: number } {
    const [ports = 0, links = 0, crypto = 0, flows = 0] = this.#binding.sizes(this.#engine);
    return { ports, links, crypto, flows };
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
    if (!this.#flows.has(handle)) return;
    if (name === 'proven') onEvent({ type: name, flow: handle, token: value });
    else if (name === 'check' && bytes !== undefined)
      onEvent({ type: name, flow: handle, token: value, bytes });
    else if (name === 'active') onEvent({ type: name, flow: handle });
    else if (name === 'source' && source !== undefined) onEvent({ type: name, flow: handle, source });
  };

  #sweep(): void {
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

function unknown(what: string, handle: number): EngineError {
  return new EngineError('unknown-handle', `no ${what} ${handle} in the media engine`);
}
