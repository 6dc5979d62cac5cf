// The packet engine's interface: JavaScript declares sockets, links, crypto contexts and flows; packets never
// reach it. What it hears are events (rare, bounded in rate), what it reads are counters.
// A flow is one direction: packets of one input go through unprotect and protect to an output. Implemented by
// portable-engine/ on node:dgram and made for a native twin: everything here is numbers, strings and buffers.
import type { TransportAddress } from '../turn/index.ts';
import type { Rewrite } from './rewrite.ts';
import type { MasterKey } from './srtp-keys.ts';
import type { SuiteName } from './srtp-suites.ts';
import type { SourceState } from './srtp.ts';

/** Handles are positive and never used twice in one engine. */
export type PortId = number;
export type LinkId = number;
export type CryptoId = number;
export type FlowId = number;
export type CaptureId = number;

/**
 * ChannelData header on a link (RFC 8656 §12.4): | channel | bytes that follow |. Channels 0x4000 to 0xFFFF, so
 * that the first two bits tell a channel from STUN; UDP needs no padding.
 */
export const CHANNEL_HEADER_BYTES = 4;
export const FIRST_CHANNEL = 0x4000;
export const LAST_CHANNEL = 0xffff;
/** In front of a packet on a probe channel: the engine's token for the source, which hides its address. */
export const TOKEN_BYTES = 4;

/** Which sources a port flow takes packets from. */
export type Accept =
  | { readonly kind: 'none' }
  | { readonly kind: 'exact'; readonly source: TransportAddress }
  /** Any port of one address; each change of port is an event. */
  | { readonly kind: 'address'; readonly address: string };

/** Where packets enter a flow. One flow per port and one per channel. */
export type FlowInput =
  | { readonly kind: 'port'; readonly port: PortId; readonly accept: Accept }
  | { readonly kind: 'channel'; readonly link: LinkId; readonly channel: number; readonly tokened: boolean };

/**
 * Where packets leave. A channel output is dropped while its link has no remote. `dscp` (RFC 2474, 0 to 63) marks what
 * leaves: on a link by packet, on a port all that leaves by it. The portable engine cannot mark: node:dgram has no way.
 */
export type FlowOutput =
  | {
      readonly kind: 'port';
      readonly port: PortId;
      readonly remote: TransportAddress;
      readonly dscp?: number;
    }
  | { readonly kind: 'channel'; readonly link: LinkId; readonly channel: number; readonly dscp?: number };

/** A capture that looks at a flow: at packets as they came, opened and not sealed yet, or as they leave. */
export interface FlowCapture {
  readonly id: CaptureId;
  readonly view: 'in' | 'plain' | 'out';
}

/** How much of a call is kept for an operator to see; the oldest packet gives way. */
export interface CaptureSpec {
  readonly packets: number;
  /** Bytes of each packet that are kept. */
  readonly snapBytes: number;
}

/** A packet that a capture has kept. */
export interface CapturedPacket {
  /** Of the engine's steady clock. */
  readonly atMs: number;
  readonly flow: FlowId;
  /** Before it was cut to `snapBytes`. */
  readonly length: number;
  readonly bytes: Buffer;
}

/** What becomes of packets from sources that `accept` does not name: a trickle goes out with a source token. */
export interface Probe {
  readonly link: LinkId;
  readonly channel: number;
  /** Sources remembered at once; the one heard of longest ago gives way. */
  readonly maxSources: number;
  readonly packetsPerSecond: number;
}

export interface FlowSpec {
  readonly input: FlowInput;
  /**
   * `rtp`: RTP and RTCP by RFC 5761, all else dropped. `opaque`: bytes that nobody reads, no crypto. `passthrough`:
   * RTP, RTCP and STUN of two ends that hold the keys: what goes on is the packet as it came, `unprotect` only checks
   * its tag, there is no `protect`, and STUN leaves by `rtp`.
   */
  readonly content: 'rtp' | 'opaque' | 'passthrough';
  readonly probe?: Probe | undefined;
  /** Contexts tried in order, so that both keys work while a peer changes them. Empty: packets are not opened. */
  readonly unprotect: readonly CryptoId[];
  readonly protect?: CryptoId | undefined;
  /** RTP (and opaque) packets go to `rtp`, RTCP to `rtcp`: this is where muxed and separate ports are joined. */
  readonly rtp?: FlowOutput | undefined;
  readonly rtcp?: FlowOutput | undefined;
  /** SSRCs and payload types to change on the way, between unprotect and protect. */
  readonly rewrite?: Rewrite | undefined;
  /** Of RTP timestamps in Hz, for the jitter: 8,000 unless given. */
  readonly clockRate?: number;
  readonly capture?: FlowCapture | undefined;
  /** An `idle` event after this long without a packet that passed. 0: never. */
  readonly idleAfterMs: number;
}

/** Why a packet of a flow was dropped. */
export type FlowDrop =
  | 'foreign-source'
  | 'probe-rate'
  | 'short'
  | 'not-rtp'
  | 'bad-tag'
  | 'replay'
  | 'source-limit'
  | 'key-exhausted'
  | 'no-destination'
  | 'send-failed';

export interface FlowCounters {
  /** Packets and bytes that came in from an accepted source. */
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly packetsOut: number;
  readonly probed: number;
  /** RTP that passed: packets missing between those that came (RFC 3550 A.3), and their jitter (A.8). */
  readonly lost: number;
  readonly jitterMs: number;
  readonly drops: Readonly<Record<FlowDrop, number>>;
}

export interface LinkCounters {
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly unknownChannel: number;
  readonly malformed: number;
}

/** What JavaScript is told. Each kind is bounded: once per change, or once per second per flow. */
export type EngineEvent =
  /** A tokened packet's tag was right and it was the newest of its stream. Once per token and flow. */
  | { readonly type: 'proven'; readonly flow: FlowId; readonly token: number }
  /** A tokened STUN message of a passthrough flow; nothing about it has been checked. Once per second and token. */
  | { readonly type: 'check'; readonly flow: FlowId; readonly token: number; readonly bytes: Buffer }
  /** A port flow that accepts any port of an address took a packet from a new port. */
  | { readonly type: 'source'; readonly flow: FlowId; readonly source: TransportAddress }
  | { readonly type: 'bad-tags'; readonly flow: FlowId; readonly packets: number }
  | { readonly type: 'idle'; readonly flow: FlowId }
  | { readonly type: 'active'; readonly flow: FlowId }
  /** A STUN message on a trunk port, from whatever source; nothing about it has been checked. */
  | {
      readonly type: 'stun';
      readonly port: PortId;
      readonly source: TransportAddress;
      readonly bytes: Buffer;
    }
  | { readonly type: 'port-failed'; readonly port: PortId; readonly code: string }
  /**
   * A thread of the engine ended and another one took up its work (`restarted`), or has not moved for a whole sweep
   * (`stuck`), or moves again (`running`).
   */
  | {
      readonly type: 'shard';
      readonly shard: number;
      readonly state: 'restarted' | 'stuck' | 'running';
      readonly cause: string;
    }
  /** The machine's time of day was set: media does not depend on it, certificates and tokens do. */
  | { readonly type: 'clock-step'; readonly byMs: number };

export interface CryptoSpec {
  readonly direction: 'protect' | 'unprotect';
  readonly suite: SuiteName;
  readonly master: MasterKey;
  readonly states?: readonly SourceState[];
}

export interface PortSpec {
  readonly bind: TransportAddress;
  /** `media`: one flow. `trunk`: carries links, told apart by their remote address, and STUN. */
  readonly use: 'media' | 'trunk';
  /** Which of the engine's shards receives here, counted from 0, which is what it is unless given. */
  readonly shard?: number;
}

export interface OpenedPort {
  readonly id: PortId;
  readonly bound: TransportAddress;
  /** What the kernel gave of the receive buffer asked for: it has a limit of its own (net.core.rmem_max). */
  readonly receiveBufferBytes: number;
}

/** A trunk port with less than this loses packets when its reader pauses for 50 ms under some 200 calls. */
export const WANTED_TRUNK_BUFFER_BYTES = 1024 * 1024;

/** Errors of the control path. */
export type EngineErrorCode =
  | 'address-in-use'
  | 'bind-failed'
  | 'unknown-handle'
  | 'input-taken'
  | 'full'
  | 'closed'
  | 'wrong-shard';

export class EngineError extends Error {
  readonly code: EngineErrorCode;
  constructor(code: EngineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'EngineError';
    this.code = code;
  }
}

export interface MediaEngine {
  readonly kind: 'portable' | 'native';
  /**
   * Parts that work side by side: threads of the native engine. All that a flow touches is of one of them, the one of
   * the port where its packets come in; else EngineError `wrong-shard`.
   */
  readonly shards: number;

  /** Binds a UDP socket. Rejects EngineError `address-in-use`, `bind-failed`, `full`, `closed`. */
  openPort(spec: PortSpec): Promise<OpenedPort>;
  /** Closes a socket at once; its flow must have been removed. Unknown handles are ignored. */
  closePort(port: PortId): void;
  /** Another shard receives from now on. The port has no flow and carries no link: else EngineError `input-taken`. */
  movePort(port: PortId, shard: number): void;
  /** Sends one STUN message from a trunk port. */
  sendStun(port: PortId, bytes: Buffer, to: TransportAddress): void;

  /** A link is one remote 5-tuple on a trunk port. `remote` undefined: nothing in, nothing out. */
  addLink(port: PortId, remote: TransportAddress | undefined): LinkId;
  /** The remote was proven at a new address, or lost. */
  setLinkRemote(link: LinkId, remote: TransportAddress | undefined): void;
  /** Carries the link on another trunk port of its shard from now on, with its channels and its remote. */
  setLinkPort(link: LinkId, port: PortId): void;
  removeLink(link: LinkId): void;
  linkCounters(link: LinkId): LinkCounters;

  addCrypto(spec: CryptoSpec): CryptoId;
  removeCrypto(crypto: CryptoId): void;
  /** What `addCrypto` takes as `states`: on another engine, packets go on where they were on this one. */
  cryptoStates(crypto: CryptoId): SourceState[];

  /** Throws EngineError `full` when all captures together would be larger than allowed. */
  openCapture(spec: CaptureSpec): CaptureId;
  /** Oldest packet first. Throws EngineError `unknown-handle`. */
  readCapture(capture: CaptureId): CapturedPacket[];
  /** Flows that it looks at must have been told to do without. */
  closeCapture(capture: CaptureId): void;

  /** Starts a flow. Throws EngineError `input-taken`, `unknown-handle`, `full`. */
  addFlow(spec: FlowSpec): FlowId;
  /**
   * Replaces what is named; the input's port or channel stays. Counters and pending sources stay, the idle time
   * starts anew.
   */
  changeFlow(flow: FlowId, change: FlowChange): void;
  removeFlow(flow: FlowId): void;
  counters(flow: FlowId): FlowCounters;
  /** Address behind a probe token, while the engine remembers it. */
  tokenSource(flow: FlowId, token: number): TransportAddress | undefined;

  /** Handles in use: what a leak test reads. */
  sizes(): {
    readonly ports: number;
    readonly links: number;
    readonly crypto: number;
    readonly flows: number;
    readonly captures: number;
  };
  close(): Promise<void>;
}

/** What can change while a flow runs. A key given as undefined removes it. */
export interface FlowChange {
  readonly accept?: Accept;
  readonly unprotect?: readonly CryptoId[];
  readonly protect?: CryptoId | undefined;
  readonly rtp?: FlowOutput | undefined;
  readonly rtcp?: FlowOutput | undefined;
  readonly rewrite?: Rewrite | undefined;
  readonly clockRate?: number;
  readonly capture?: FlowCapture | undefined;
}
