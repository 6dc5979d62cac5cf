// The packet path of the portable engine: one flow, one direction, from input to output in one call.
// take → kind (RFC 5761) → unprotect → protect → send; each step drops and counts by name.
// Trusts no source: what `accept` does not name can at most become a probe.
import { looksLikeStun, type TransportAddress, type UdpSocket } from '../../turn/index.ts';
import {
  CHANNEL_HEADER_BYTES,
  TOKEN_BYTES,
  type Accept,
  type FlowCapture,
  type FlowCounters,
  type FlowDrop,
  type FlowId,
  type FlowSpec,
} from '../engine.ts';
import { packetKind } from '../packet.ts';
import { RtpReception } from '../rtp-reception.ts';
import { rewriteRtcp, rewriteRtp, type Rewrite } from '../rewrite.ts';
import type { SrtpReceiver, SrtpSender, Unprotected } from '../srtp.ts';
import type { CaptureRing } from './capture-ring.ts';
import type { Link } from './link.ts';
import type { ProbeTable } from './probe-table.ts';

/** An output with its handles looked up. */
export type Output =
  | { readonly kind: 'port'; readonly port: UdpSocket; readonly remote: TransportAddress }
  | { readonly kind: 'channel'; readonly link: Link; readonly channel: number };

/** A flow's parts with their handles looked up; the engine replaces them when the flow changes. */
export interface FlowParts {
  accept: Accept;
  unprotect: readonly SrtpReceiver[];
  protect: SrtpSender | undefined;
  rtp: Output | undefined;
  rtcp: Output | undefined;
  rewrite: Rewrite | undefined;
  clockRate: number;
  capture: { readonly ring: CaptureRing; readonly view: FlowCapture['view'] } | undefined;
  readonly probe: { readonly link: Link; readonly channel: number; readonly table: ProbeTable } | undefined;
}

/** What a flow tells the engine; the engine adds the flow's handle and bounds the rate. */
export interface FlowWatcher {
  readonly flow: FlowId;
  proven(token: number, now: number): void;
  check(token: number, bytes: Buffer, now: number): void;
  /** False when it is too soon to tell: the flow asks again with the next packet. */
  newSource(source: TransportAddress, now: number): boolean;
  resumed(): void;
}

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

export class Flow {
  readonly parts: FlowParts;
  readonly spec: FlowSpec;
  /** When the last packet passed; the engine's sweep compares it with the clock. */
  passedAt: number;
  idle = false;
  readonly #watcher: FlowWatcher;
  readonly #now: () => number;
  readonly #drops = Object.fromEntries(DROPS.map((reason) => [reason, 0])) as Record<FlowDrop, number>;
  readonly #counts = { packetsIn: 0, bytesIn: 0, packetsOut: 0, probed: 0 };
  readonly #reception = new RtpReception();
  #source: TransportAddress | undefined;

  constructor(spec: FlowSpec, parts: FlowParts, watcher: FlowWatcher, now: () => number) {
    this.spec = spec;
    this.parts = parts;
    this.#watcher = watcher;
    this.#now = now;
    this.passedAt = now();
  }

  counters(): FlowCounters {
    const { lost, jitterMs } = this.#reception;
    return { ...this.#counts, lost, jitterMs, drops: { ...this.#drops } };
  }

  get badTags(): number {
    return this.#drops['bad-tag'];
  }

  /** A datagram of a media port. */
  fromPort(packet: Buffer, address: string, port: number): void {
    const { accept } = this.parts;
    if (accept.kind === 'exact' && accept.source.port === port && accept.source.address === address) {
      this.#take(packet, undefined);
    } else if (accept.kind === 'address' && accept.address === address) {
      this.#noteSource(address, port);
      this.#take(packet, undefined);
    } else {
      this.#refuse(packet, address, port);
    }
  }

  /** A packet of a channel, its header already off. */
  fromChannel(packet: Buffer): void {
    if (this.spec.input.kind !== 'channel' || !this.spec.input.tokened) {
      this.#take(packet, undefined);
    } else if (packet.length < TOKEN_BYTES) {
      this.#drops.short += 1;
    } else {
      this.#take(packet.subarray(TOKEN_BYTES), packet.readUInt32BE(0));
    }
  }

  #noteSource(address: string, port: number): void {
    if (this.#source?.port === port && this.#source.address === address) return;
    const source = { address, port };
    if (this.#watcher.newSource(source, this.#now())) this.#source = source;
  }

  #refuse(packet: Buffer, address: string, port: number): void {
    const { probe } = this.parts;
    const kind = this.spec.content === 'opaque' || this.#isStun(packet) ? 'rtp' : packetKind(packet);
    if (kind === 'short' || kind === 'other') {
      this.#drops[kind === 'short' ? 'short' : 'not-rtp'] += 1;
    } else if (probe === undefined) {
      this.#drops['foreign-source'] += 1;
    } else {
      const token = probe.table.admit(address, port, this.#now());
      if (token === undefined) this.#drops['probe-rate'] += 1;
      else this.#sendProbe(probe, token, packet);
    }
  }

  #sendProbe(probe: NonNullable<FlowParts['probe']>, token: number, packet: Buffer): void {
    const framed = Buffer.allocUnsafe(CHANNEL_HEADER_BYTES + TOKEN_BYTES + packet.length);
    framed.writeUInt32BE(token, CHANNEL_HEADER_BYTES);
    framed.set(packet, CHANNEL_HEADER_BYTES + TOKEN_BYTES);
    if (probe.link.send(framed, probe.channel)) this.#counts.probed += 1;
    else this.#drops['no-destination'] += 1;
  }

  #take(packet: Buffer, token: number | undefined): void {
    this.#counts.packetsIn += 1;
    this.#counts.bytesIn += packet.length;
    this.#show('in', packet);
    if (this.spec.content === 'opaque') {
      this.#pass();
      this.#show('plain', packet);
      this.#forward(packet, this.parts.rtp);
      return;
    }
    if (this.#isStun(packet)) {
      if (token === undefined) this.#forward(packet, this.parts.rtp);
      else this.#watcher.check(token, packet, this.#now());
      return;
    }
    const kind = packetKind(packet);
    if (kind === 'short' || kind === 'other') this.#drops[kind === 'short' ? 'short' : 'not-rtp'] += 1;
    else this.#transform(packet, kind, token);
  }

  #isStun(packet: Buffer): boolean {
    return this.spec.content === 'passthrough' && looksLikeStun(packet);
  }

  #transform(packet: Buffer, kind: 'rtp' | 'rtcp', token: number | undefined): void {
    const opened = this.#unprotect(packet, kind);
    if (typeof opened === 'string') {
      this.#drops[opened] += 1;
      return;
    }
    this.#pass();
    if (token !== undefined && opened.newest) this.#watcher.proven(token, this.passedAt);
    const plain = this.#rewritten(this.spec.content === 'passthrough' ? packet : opened.packet, kind);
    this.#show('plain', plain);
    const output = kind === 'rtp' ? this.parts.rtp : this.parts.rtcp;
    if (this.parts.protect === undefined || this.spec.content === 'passthrough') this.#forward(plain, output);
    else this.#forwardProtected(this.parts.protect, plain, kind, output);
  }

  #rewritten(packet: Buffer, kind: 'rtp' | 'rtcp'): Buffer {
    const { rewrite, clockRate } = this.parts;
    if (kind === 'rtp') this.#reception.take(packet, this.passedAt, clockRate);
    if (rewrite === undefined || this.spec.content === 'passthrough') return packet;
    const own = Buffer.from(packet);
    if (kind === 'rtp') rewriteRtp(own, rewrite);
    else rewriteRtcp(own, rewrite);
    return own;
  }

  /** For an operator who has asked to see this call. */
  #show(view: FlowCapture['view'], packet: Buffer): void {
    const { capture } = this.parts;
    if (capture?.view === view) capture.ring.add(this.#watcher.flow, this.#now(), packet);
  }

  /** Tries each context; the reason of the first one stands, because later ones hold keys on their way out. */
  #unprotect(packet: Buffer, kind: 'rtp' | 'rtcp'): Unprotected | FlowDrop {
    const { unprotect } = this.parts;
    if (unprotect.length === 0) return { packet, newest: false };
    let reason: FlowDrop | undefined;
    for (const receiver of unprotect) {
      const opened = kind === 'rtp' ? receiver.unprotectRtp(packet) : receiver.unprotectRtcp(packet);
      if (typeof opened !== 'string') return opened;
      reason ??= opened;
    }
    return reason ?? 'bad-tag';
  }

  #forwardProtected(
    sender: SrtpSender,
    packet: Buffer,
    kind: 'rtp' | 'rtcp',
    output: Output | undefined,
  ): void {
    if (output === undefined) {
      this.#drops['no-destination'] += 1;
      return;
    }
    const headroom = output.kind === 'channel' ? CHANNEL_HEADER_BYTES : 0;
    const sealed =
      kind === 'rtp' ? sender.protectRtp(packet, headroom) : sender.protectRtcp(packet, headroom);
    if (typeof sealed === 'string') this.#drops[sealed] += 1;
    else this.#send(sealed, output);
  }

  #forward(packet: Buffer, output: Output | undefined): void {
    if (output === undefined) {
      this.#drops['no-destination'] += 1;
    } else if (output.kind === 'port') {
      this.#send(packet, output);
    } else {
      const framed = Buffer.allocUnsafe(CHANNEL_HEADER_BYTES + packet.length);
      framed.set(packet, CHANNEL_HEADER_BYTES);
      this.#send(framed, output);
    }
  }

  /** For a channel the first four bytes of `bytes` are free for the header. */
  #send(bytes: Buffer, output: Output): void {
    this.#show('out', output.kind === 'port' ? bytes : bytes.subarray(CHANNEL_HEADER_BYTES));
    const sent =
      output.kind === 'port'
        ? output.port.send(bytes, output.remote.address, output.remote.port)
        : output.link.send(bytes, output.channel);
    if (sent) this.#counts.packetsOut += 1;
    else this.#drops['no-destination'] += 1;
  }

  #pass(): void {
    this.passedAt = this.#now();
    if (!this.idle) return;
    this.idle = false;
    this.#watcher.resumed();
  }
}
