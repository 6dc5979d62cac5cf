// The media engine on node:dgram and node:crypto: the twin that needs no compiler. Control path only; the packet
// path is flow.ts. Every table has a limit; events are bounded in rate here, whatever arrives on the wire.
import { looksLikeStun, UdpSocket, type TransportAddress } from '../../turn/index.ts';
import {
  EngineError,
  type CapturedPacket,
  type CaptureId,
  type CaptureSpec,
  type CryptoId,
  type CryptoSpec,
  type EngineEvent,
  type FlowCapture,
  type FlowChange,
  type FlowCounters,
  type FlowId,
  type FlowOutput,
  type FlowSpec,
  type LinkCounters,
  type LinkId,
  type MediaEngine,
  type OpenedPort,
  type PortId,
  type PortSpec,
} from '../engine.ts';
import { findSuite } from '../srtp-suites.ts';
import { SrtpReceiver, SrtpSender, type SourceState } from '../srtp.ts';
import { checkedFlow } from '../checked-flow.ts';
import { ClockWatch } from '../clock-watch.ts';
import { CaptureRing } from './capture-ring.ts';
import { Flow, type FlowParts, type Output } from './flow.ts';
import { Link } from './link.ts';
import { ProbeTable } from './probe-table.ts';
import { EventRate } from './event-rate.ts';
import { foreign, Homes, usesOf } from './homes.ts';
import { Trunk } from './trunk.ts';

export interface PortableEngineOptions {
  /** Steady, and of the day, in milliseconds: a step of the latter is told. */
  readonly now: () => number;
  readonly timeOfDay: () => number;
  /** Calls `action` each `periodMs` until the returned function is called. */
  readonly every: (periodMs: number, action: () => void) => () => void;
  /** A random 32-bit number. */
  readonly randomToken: () => number;
  readonly onEvent: (event: EngineEvent) => void;
  /** How often idle flows and bad tags are looked for. */
  readonly sweepMs: number;
  readonly limits: EngineLimits;
  /** Kept apart as the native engine's threads are, though one thread does the work of all. */
  readonly shards: number;
}

/** What bounds the engine's memory. */
export interface EngineLimits {
  readonly maxPorts: number;
  readonly maxFlows: number;
  readonly maxLinks: number;
  /** SSRCs per crypto context. */
  readonly maxSourcesPerKey: number;
  /** STUN messages per second and trunk port that become events. */
  readonly stunPerSecond: number;
  /** Kernel buffers of a trunk port. */
  readonly trunkBufferBytes: number;
  /** Of all captures together. */
  readonly maxCaptureBytes: number;
}

/** Of RTP timestamps of most telephone codecs. */
const DEFAULT_CLOCK_RATE = 8000;

type OpenPort = {
  readonly port: UdpSocket;
  flow: FlowId | undefined;
  readonly trunk: Trunk | undefined;
  shard: number;
};
type OpenLink = { readonly link: Link; trunk: Trunk; readonly shard: number };

/** A portable engine, ready for use. */
export function createPortableEngine(options: PortableEngineOptions): MediaEngine {
  return new PortableEngine(options);
}

class PortableEngine implements MediaEngine {
  readonly kind = 'portable';
  readonly #options: PortableEngineOptions;
  readonly #ports = new Map<PortId, OpenPort>();
  readonly shards: number;
  readonly #links = new Map<LinkId, OpenLink>();
  readonly #captures = new Map<CaptureId, { readonly ring: CaptureRing; readonly bytes: number }>();
  readonly #homes = new Homes();
  readonly #clocks: ClockWatch;
  readonly #senders = new Map<CryptoId, SrtpSender>();
  readonly #receivers = new Map<CryptoId, SrtpReceiver>();
  readonly #flows = new Map<FlowId, Flow>();
  readonly #badTagsTold = new Map<FlowId, number>();
  readonly #stopSweep: () => void;
  #nextId = 1;
  #pendingPorts = 0;
  #closed = false;

  constructor(options: PortableEngineOptions) {
    this.#options = options;
    this.shards = options.shards;
    this.#clocks = new ClockWatch(options.now, options.timeOfDay);
    this.#stopSweep = options.every(options.sweepMs, () => this.#sweep());
  }

  async openPort(spec: PortSpec): Promise<OpenedPort> {
    if (this.#closed) throw new EngineError('closed', 'the media engine is closed');
    if (this.#ports.size + this.#pendingPorts >= this.#options.limits.maxPorts) {
      throw new EngineError('full', `the media engine has its ${this.#options.limits.maxPorts} ports`);
    }
    const { shard = 0 } = spec;
    if (shard >= this.shards) throw unknown('shard', shard);
    const id = this.#nextId++;
    this.#pendingPorts += 1;
    try {
      const port = await this.#bind(id, spec);
      if (this.#closed) {
        port.close();
        throw new EngineError('closed', 'the media engine was closed meanwhile');
      }
      const trunk = spec.use === 'trunk' ? new Trunk(this.#options.limits.stunPerSecond) : undefined;
      this.#ports.set(id, { port, flow: undefined, trunk, shard });
      return { id, bound: port.bound, receiveBufferBytes: port.receiveBufferBytes };
    } finally {
      this.#pendingPorts -= 1;
    }
  }

  #bind(id: PortId, spec: PortSpec): Promise<UdpSocket> {
    const { now, onEvent, limits } = this.#options;
    const failures = new EventRate(1000, 1);
    return UdpSocket.open({
      bind: spec.bind,
      bufferBytes: spec.use === 'trunk' ? limits.trunkBufferBytes : undefined,
      onPacket: (bytes, address, port) => this.#fromPort(id, bytes, address, port),
      hearsSends: true,
      onFailure: (code) => {
        if (failures.admit(code, now())) onEvent({ type: 'port-failed', port: id, code });
      },
      refusal: (code, text, cause) => new EngineError(code, text, cause),
    });
  }

  #fromPort(id: PortId, bytes: Buffer, address: string, sourcePort: number): void {
    const open = this.#ports.get(id);
    if (open === undefined) return;
    if (open.trunk === undefined) {
      if (open.flow !== undefined) this.#flows.get(open.flow)?.fromPort(bytes, address, sourcePort);
    } else if (bytes.length > 0 && bytes[0]! >= 0x40) {
      open.trunk.find(address, sourcePort)?.receive(bytes);
    } else if (looksLikeStun(bytes) && open.trunk.admitStun(address, this.#options.now())) {
      this.#options.onEvent({ type: 'stun', port: id, source: { address, port: sourcePort }, bytes });
    }
  }

  closePort(id: PortId): void {
    this.#ports.get(id)?.port.close();
    this.#ports.delete(id);
  }

  movePort(id: PortId, shard: number): void {
    const open = this.#ports.get(id);
    if (open === undefined || shard >= this.shards) throw unknown('port or shard', id);
    const carries = [...this.#links.values()].some(({ trunk }) => trunk === open.trunk);
    if (open.flow !== undefined || carries)
      throw new EngineError('input-taken', 'a port moves without its flow and links');
    open.shard = shard;
  }

  sendStun(id: PortId, bytes: Buffer, to: TransportAddress): void {
    this.#ports.get(id)?.port.send(bytes, to.address, to.port);
  }

  addLink(portId: PortId, remote: TransportAddress | undefined): LinkId {
    const open = this.#ports.get(portId);
    if (open?.trunk === undefined) throw unknown('trunk port', portId);
    if (this.#links.size >= this.#options.limits.maxLinks)
      throw new EngineError('full', 'too many media links');
    const id = this.#nextId++;
    const link = new Link(open.port, undefined);
    this.#links.set(id, { link, trunk: open.trunk, shard: open.shard });
    open.trunk.move(link, remote);
    return id;
  }

  setLinkRemote(id: LinkId, remote: TransportAddress | undefined): void {
    const { link, trunk } = this.#linkOf(id);
    trunk.move(link, remote);
  }

  setLinkPort(id: LinkId, portId: PortId): void {
    const entry = this.#linkOf(id);
    const open = this.#ports.get(portId);
    if (open?.trunk === undefined) throw unknown('trunk port', portId);
    if (open.shard !== entry.shard) throw foreign();
    const { remote } = entry.link;
    entry.trunk.move(entry.link, undefined);
    entry.link.use(open.port);
    entry.trunk = open.trunk;
    open.trunk.move(entry.link, remote);
  }

  removeLink(id: LinkId): void {
    const entry = this.#links.get(id);
    entry?.trunk.move(entry.link, undefined);
    this.#links.delete(id);
  }

  linkCounters(id: LinkId): LinkCounters {
    return this.#linkOf(id).link.counters();
  }

  addCrypto(spec: CryptoSpec): CryptoId {
    const suite = findSuite(spec.suite);
    if (suite === undefined) throw unknown('suite', spec.suite);
    const id = this.#nextId++;
    const states = spec.states ?? [];
    const options = { suite, master: spec.master, maxSources: this.#options.limits.maxSourcesPerKey, states };
    if (spec.direction === 'protect') this.#senders.set(id, new SrtpSender(options));
    else this.#receivers.set(id, new SrtpReceiver(options));
    return id;
  }

  removeCrypto(id: CryptoId): void {
    this.#senders.delete(id);
    this.#receivers.delete(id);
  }

  cryptoStates(id: CryptoId): SourceState[] {
    const context = this.#senders.get(id) ?? this.#receivers.get(id);
    if (context === undefined) throw unknown('crypto', id);
    return context.states();
  }

  openCapture(spec: CaptureSpec): CaptureId {
    const bytes = spec.packets * spec.snapBytes;
    const used = [...this.#captures.values()].reduce((sum, capture) => sum + capture.bytes, 0);
    const fits = spec.packets > 0 && spec.snapBytes > 0 && spec.snapBytes <= 65_535;
    if (!fits || used + bytes > this.#options.limits.maxCaptureBytes)
      throw new EngineError('full', 'no room for a capture of this size');
    const id = this.#nextId++;
    this.#captures.set(id, { ring: new CaptureRing(spec), bytes });
    return id;
  }

  readCapture(id: CaptureId): CapturedPacket[] {
    const capture = this.#captures.get(id);
    if (capture === undefined) throw unknown('capture', id);
    return capture.ring.read();
  }

  closeCapture(id: CaptureId): void {
    this.#captures.delete(id);
  }

  addFlow(spec: FlowSpec): FlowId {
    checkedFlow(spec);
    if (this.#flows.size >= this.#options.limits.maxFlows)
      throw new EngineError('full', 'too many media flows');
    const id = this.#nextId++;
    const shard = this.#home(spec);
    const flow = new Flow(spec, this.#parts(spec, shard), this.#watcher(id), this.#options.now);
    this.#occupy(id, flow);
    this.#flows.set(id, flow);
    this.#homes.set(id, shard, usesOf(spec));
    return id;
  }

  #occupy(id: FlowId, flow: Flow): void {
    const { input } = flow.spec;
    if (input.kind === 'channel') {
      if (this.#linkOf(input.link).link.join(input.channel, flow)) return;
    } else {
      const open = this.#ports.get(input.port);
      if (open === undefined || open.trunk !== undefined) throw unknown('media port', input.port);
      if (open.flow === undefined) {
        open.flow = id;
        return;
      }
    }
    throw new EngineError('input-taken', 'another flow has this port or channel');
  }

  /** The shard on which packets of this flow arrive. */
  #home({ input }: FlowSpec): number {
    if (input.kind === 'channel') return this.#linkOf(input.link).shard;
    const open = this.#ports.get(input.port);
    if (open === undefined || open.trunk !== undefined) throw unknown('media port', input.port);
    return open.shard;
  }

  #parts(spec: FlowSpec, shard: number): FlowParts {
    const { probe } = spec;
    const { randomToken } = this.#options;
    return {
      accept: spec.input.kind === 'port' ? spec.input.accept : { kind: 'none' },
      unprotect: spec.unprotect.map((crypto) => this.#receiver(crypto, shard)),
      protect: this.#sender(spec.protect, shard),
      rtp: this.#output(spec.rtp, shard),
      rtcp: this.#output(spec.rtcp, shard),
      rewrite: spec.rewrite,
      clockRate: spec.clockRate ?? DEFAULT_CLOCK_RATE,
      capture: this.#capture(spec.capture, shard),
      probe: probe && {
        link: this.#linkOf(probe.link, shard).link,
        channel: probe.channel,
        table: new ProbeTable({ ...probe, randomToken }),
      },
    };
  }

  changeFlow(id: FlowId, change: FlowChange): void {
    const flow = this.#flows.get(id);
    if (flow === undefined) throw unknown('flow', id);
    checkedFlow(change);
    const shard = this.#homes.of(id);
    const { parts } = flow;
    if (change.accept !== undefined) parts.accept = change.accept;
    if (change.unprotect !== undefined)
      parts.unprotect = change.unprotect.map((crypto) => this.#receiver(crypto, shard));
    if ('protect' in change) parts.protect = this.#sender(change.protect, shard);
    if ('rtp' in change) parts.rtp = this.#output(change.rtp, shard);
    if ('rtcp' in change) parts.rtcp = this.#output(change.rtcp, shard);
    if ('rewrite' in change) parts.rewrite = change.rewrite;
    if (change.clockRate !== undefined) parts.clockRate = change.clockRate;
    if ('capture' in change) parts.capture = this.#capture(change.capture, shard);
    this.#homes.change(id, usesOf(change));
    flow.idle = false;
    flow.passedAt = this.#options.now();
  }

  removeFlow(id: FlowId): void {
    const input = this.#flows.get(id)?.spec.input;
    if (input === undefined) return;
    if (input.kind === 'channel') this.#links.get(input.link)?.link.leave(input.channel);
    const open = input.kind === 'port' ? this.#ports.get(input.port) : undefined;
    if (open !== undefined) open.flow = undefined;
    this.#flows.delete(id);
    this.#badTagsTold.delete(id);
    this.#homes.delete(id);
  }

  counters(id: FlowId): FlowCounters {
    const flow = this.#flows.get(id);
    if (flow === undefined) throw unknown('flow', id);
    return flow.counters();
  }

  tokenSource(id: FlowId, token: number): TransportAddress | undefined {
    return this.#flows.get(id)?.parts.probe?.table.source(token);
  }

  sizes(): ReturnType<MediaEngine['sizes']> {
    const crypto = this.#senders.size + this.#receivers.size;
    const { size: captures } = this.#captures;
    return { ports: this.#ports.size, links: this.#links.size, crypto, flows: this.#flows.size, captures };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stopSweep();
    for (const { port } of this.#ports.values()) port.close();
    const tables = [this.#ports, this.#links, this.#senders, this.#receivers, this.#flows, this.#captures];
    for (const table of tables) table.clear();
  }

  #watcher(id: FlowId): ConstructorParameters<typeof Flow>[2] {
    const proofs = new EventRate(1000, 16);
    const checks = new EventRate(1000, 16);
    const moves = new EventRate(250, 1);
    const { onEvent } = this.#options;
    return {
      flow: id,
      proven: (token, now) => {
        if (proofs.admit(String(token), now)) onEvent({ type: 'proven', flow: id, token });
      },
      check: (token, bytes, now) => {
        // The datagram's buffer is the socket's: what outlives this call is a copy.
        if (checks.admit(String(token), now))
          onEvent({ type: 'check', flow: id, token, bytes: Buffer.from(bytes) });
      },
      newSource: (source, now) => {
        const admitted = moves.admit('move', now);
        if (admitted) onEvent({ type: 'source', flow: id, source });
        return admitted;
      },
      resumed: () => onEvent({ type: 'active', flow: id }),
    };
  }

  #sweep(): void {
    const byMs = this.#clocks.step();
    if (byMs !== undefined) this.#options.onEvent({ type: 'clock-step', byMs });
    const now = this.#options.now();
    for (const [id, flow] of this.#flows) {
      const { idleAfterMs } = flow.spec;
      if (idleAfterMs > 0 && !flow.idle && now - flow.passedAt >= idleAfterMs) {
        flow.idle = true;
        this.#options.onEvent({ type: 'idle', flow: id });
      }
      this.#tellBadTags(id, flow.badTags);
    }
  }

  #tellBadTags(id: FlowId, total: number): void {
    const told = this.#badTagsTold.get(id) ?? 0;
    if (total === told) return;
    this.#badTagsTold.set(id, total);
    this.#options.onEvent({ type: 'bad-tags', flow: id, packets: total - told });
  }

  #output(output: FlowOutput | undefined, shard: number): Output | undefined {
    if (output === undefined) return undefined;
    if (output.kind === 'channel') {
      return { kind: 'channel', link: this.#linkOf(output.link, shard).link, channel: output.channel };
    }
    const open = this.#ports.get(output.port);
    if (open === undefined) throw unknown('port', output.port);
    if (open.shard !== shard) throw foreign();
    return { kind: 'port', port: open.port, remote: output.remote };
  }

  /** @throws EngineError `wrong-shard` when it is not the shard's that asks. */
  #linkOf(id: LinkId, shard?: number): OpenLink {
    const entry = this.#links.get(id);
    if (entry === undefined) throw unknown('link', id);
    if (shard !== undefined && entry.shard !== shard) throw foreign();
    return entry;
  }

  #receiver(id: CryptoId, shard: number): SrtpReceiver {
    const receiver = this.#receivers.get(id);
    if (receiver === undefined) throw unknown('unprotect key', id);
    this.#homes.check(id, shard);
    return receiver;
  }

  #sender(id: CryptoId | undefined, shard: number): SrtpSender | undefined {
    if (id === undefined) return undefined;
    const sender = this.#senders.get(id);
    if (sender === undefined) throw unknown('protect key', id);
    this.#homes.check(id, shard);
    return sender;
  }

  #capture(capture: FlowCapture | undefined, shard: number): FlowParts['capture'] {
    if (capture === undefined) return undefined;
    const known = this.#captures.get(capture.id);
    if (known === undefined) throw unknown('capture', capture.id);
    this.#homes.check(capture.id, shard);
    return { ring: known.ring, view: capture.view };
  }
}

function unknown(what: string, handle: number | string): EngineError {
  return new EngineError('unknown-handle', `no ${what} ${handle} in the media engine`);
}
