// SRTP and SRTCP contexts: RFC 3711 §3, RFC 7714. One sender or receiver per master key; both protocols share it.
// Trusts no packet: lengths first, then replay, then the tag; only a packet whose tag is right changes memory.
// Bounded: at most `maxSources` SSRCs per context; a further SSRC is refused, never another one forgotten,
// because a forgotten sender index would use a keystream twice.
import { RTCP_HEADER_BYTES, RTP_HEADER_BYTES, rtpHeaderBytes } from './packet.ts';
import { ReplayWindow } from './replay-window.ts';
import { SequenceRestarts } from './sequence-restarts.ts';
import { estimateIndex, RTCP_INDEX_LIMIT, RTP_INDEX_LIMIT } from './rtp-index.ts';
import { checkMaster, deriveKeys, type MasterKey, type SessionKeys } from './srtp-keys.ts';
import type { Suite } from './srtp-suites.ts';
import {
  authenticate,
  counterBlock,
  counterMode,
  ENCRYPTED_FLAG,
  openGcm,
  rtcpNonce,
  rtpNonce,
  sealGcm,
  tagMatches,
  word,
} from './srtp-transform.ts';

/** Why a packet was dropped. */
export type SrtpDrop = 'short' | 'replay' | 'bad-tag' | 'source-limit' | 'key-exhausted';

/** Where one SSRC stands: readable and settable so that a call can move to another machine. -1: nothing yet. */
export interface SourceState {
  readonly ssrc: number;
  /** Highest RTP packet index used: rollover counter * 65536 + sequence number. */
  readonly rtpIndex: number;
  /** Highest SRTCP index used. */
  readonly rtcpIndex: number;
  /** Which of the latest indices were used, newest in bit 0 of the first of four words. Absent: all of them. */
  readonly rtpSeen?: readonly number[];
  readonly rtcpSeen?: readonly number[];
  /** Senders: how far sequence numbers are moved since the source started over. */
  readonly sequenceOffset?: number;
}

export interface SrtpOptions {
  readonly suite: Suite;
  readonly master: MasterKey;
  /** SSRCs remembered at most. */
  readonly maxSources: number;
  readonly states?: readonly SourceState[];
}

interface Source {
  readonly rtp: ReplayWindow;
  readonly rtcp: ReplayWindow;
  /** Senders only: how far sequence numbers are moved since the source started over. */
  readonly restarts: SequenceRestarts;
}

function newSource(): Source {
  return { rtp: new ReplayWindow(), rtcp: new ReplayWindow(), restarts: new SequenceRestarts() };
}

function restoredSource(state: SourceState): Source {
  const window = (highest: number, seen: readonly number[] | undefined): ReplayWindow =>
    seen === undefined ? new ReplayWindow(highest) : ReplayWindow.restored(highest, seen);
  return {
    rtp: window(state.rtpIndex, state.rtpSeen),
    rtcp: window(state.rtcpIndex, state.rtcpSeen),
    restarts: new SequenceRestarts(state.sequenceOffset),
  };
}

/** What both directions share: session keys and the bounded table of sources. */
class SrtpContext {
  protected readonly suite: Suite;
  readonly #master: MasterKey;
  #rtpKeys: SessionKeys | undefined;
  #rtcpKeys: SessionKeys | undefined;
  protected readonly mki: Buffer;
  readonly #maxSources: number;
  readonly #sources = new Map<number, Source>();

  constructor(options: SrtpOptions) {
    this.suite = options.suite;
    checkMaster(options.suite, options.master);
    this.#master = options.master;
    this.mki = options.master.mki ?? Buffer.alloc(0);
    this.#maxSources = options.maxSources;
    for (const state of options.states ?? []) {
      this.#sources.set(state.ssrc, restoredSource(state));
    }
  }

  /** Derived for the first packet: most calls have contexts that never see one. */
  protected get rtpKeys(): SessionKeys {
    this.#rtpKeys ??= deriveKeys(this.suite, this.#master, 'rtp');
    return this.#rtpKeys;
  }

  protected get rtcpKeys(): SessionKeys {
    this.#rtcpKeys ??= deriveKeys(this.suite, this.#master, 'rtcp');
    return this.#rtcpKeys;
  }

  /** Where each SSRC stands now. */
  states(): SourceState[] {
    return [...this.#sources].map(([ssrc, source]) => ({
      ssrc,
      rtpIndex: source.rtp.highest,
      rtcpIndex: source.rtcp.highest,
      rtpSeen: source.rtp.seen(),
      rtcpSeen: source.rtcp.seen(),
      sequenceOffset: source.restarts.offset,
    }));
  }

  /** The source of an SSRC, a fresh one that is not yet remembered, or undefined when the table is full. */
  protected source(ssrc: number): Source | undefined {
    const known = this.#sources.get(ssrc);
    if (known !== undefined) return known;
    if (this.#sources.size >= this.#maxSources) return undefined;
    return newSource();
  }

  protected remember(ssrc: number, source: Source): void {
    if (!this.#sources.has(ssrc)) this.#sources.set(ssrc, source);
  }
}

/**
 * Protects packets. Refuses an index twice: that would be two plaintexts under one keystream. A source that starts
 * its sequence numbers over is moved to where it left off, because its receiver could not follow it back.
 */
export class SrtpSender extends SrtpContext {
  /** RTP in, SRTP out, behind `headroom` free bytes. The caller has classified the packet as RTP. */
  protectRtp(packet: Buffer, headroom: number): Buffer | SrtpDrop {
    const header = rtpHeaderBytes(packet, packet.length);
    if (header === 0) return 'short';
    const ssrc = packet.readUInt32BE(8);
    const source = this.source(ssrc);
    if (source === undefined) return 'source-limit';
    const index = this.#senderIndex(source, packet.readUInt16BE(2));
    if (index === undefined) return 'replay';
    if (index >= RTP_INDEX_LIMIT) return 'key-exhausted';
    const out = Buffer.allocUnsafe(headroom + packet.length + this.suite.rtpTagBytes);
    out.set(packet.subarray(0, header), headroom);
    out.writeUInt16BE(index % 65536, headroom + 2);
    this.#sealRtp(out, headroom, header, packet.subarray(header), ssrc, index);
    this.remember(ssrc, source);
    source.rtp.record(index);
    return out;
  }

  /** The index to protect a packet under; undefined when it was used or its packet comes too late. */
  #senderIndex(source: Source, sequence: number): number | undefined {
    const { rtp, restarts } = source;
    const index = estimateIndex(rtp.highest, restarts.moved(sequence));
    const verdict = index < 0 ? 'old' : rtp.check(index);
    if (verdict === 'new') return index;
    return verdict === 'old' && restarts.startsOver(sequence, rtp.highest) ? rtp.highest + 1 : undefined;
  }

  /** Seals the payload behind the header that lies in `out` from `at` on. */
  #sealRtp(out: Buffer, at: number, header: number, payload: Buffer, ssrc: number, index: number): void {
    const keys = this.rtpKeys;
    const end = at + header + payload.length;
    if (keys.authentication === undefined) {
      const nonce = rtpNonce(keys.salt, ssrc, index);
      sealGcm(keys, nonce, out.subarray(at, at + header), payload, out, at + header);
      return;
    }
    counterMode(keys, counterBlock(keys.salt, ssrc, index), payload, out, at + header);
    const tag = authenticate(keys.authentication, out.subarray(at, end), Math.floor(index / 65536));
    out.set(tag.subarray(0, this.suite.rtpTagBytes), end);
  }

  /** RTCP (compound) in, SRTCP out, behind `headroom` free bytes. */
  protectRtcp(packet: Buffer, headroom: number): Buffer | SrtpDrop {
    if (packet.length < RTCP_HEADER_BYTES) return 'short';
    const ssrc = packet.readUInt32BE(4);
    const source = this.source(ssrc);
    if (source === undefined) return 'source-limit';
    const index = source.rtcp.highest + 1;
    if (index >= RTCP_INDEX_LIMIT) return 'key-exhausted';
    const out = Buffer.allocUnsafe(headroom + packet.length + 4 + this.suite.rtcpTagBytes);
    out.set(packet.subarray(0, RTCP_HEADER_BYTES), headroom);
    this.#sealRtcp(out, headroom, packet, ssrc, index);
    this.remember(ssrc, source);
    source.rtcp.record(index);
    return out;
  }

  #sealRtcp(out: Buffer, at: number, packet: Buffer, ssrc: number, index: number): void {
    const keys = this.rtcpKeys;
    const trailer = (ENCRYPTED_FLAG | index) >>> 0;
    const body = packet.subarray(RTCP_HEADER_BYTES);
    const end = at + packet.length;
    if (keys.authentication === undefined) {
      const associated = Buffer.concat([packet.subarray(0, RTCP_HEADER_BYTES), word(trailer)]);
      sealGcm(keys, rtcpNonce(keys.salt, ssrc, index), associated, body, out, at + RTCP_HEADER_BYTES);
      out.writeUInt32BE(trailer, end + this.suite.rtcpTagBytes);
      return;
    }
    counterMode(keys, counterBlock(keys.salt, ssrc, index), body, out, at + RTCP_HEADER_BYTES);
    out.writeUInt32BE(trailer, end);
    const tag = authenticate(keys.authentication, out.subarray(at, end + 4));
    out.set(tag.subarray(0, this.suite.rtcpTagBytes), end + 4);
  }
}

/** A packet whose tag was right. `newest` when its index is the highest so far of its SSRC. */
export interface Unprotected {
  readonly packet: Buffer;
  readonly newest: boolean;
}

/** Checks and opens packets. */
export class SrtpReceiver extends SrtpContext {
  /** SRTP in, RTP out. */
  unprotectRtp(wire: Buffer): Unprotected | SrtpDrop {
    const packet = this.#withoutMki(wire, this.suite.aead ? 0 : this.suite.rtpTagBytes);
    if (packet === undefined) return 'bad-tag';
    const end = packet.length - this.suite.rtpTagBytes;
    if (end < RTP_HEADER_BYTES) return 'short';
    const header = rtpHeaderBytes(packet, end);
    if (header === 0) return 'short';
    const ssrc = packet.readUInt32BE(8);
    const source = this.source(ssrc);
    if (source === undefined) return 'source-limit';
    const index = estimateIndex(source.rtp.highest, packet.readUInt16BE(2));
    if (index >= RTP_INDEX_LIMIT) return 'key-exhausted';
    if (index < 0 || source.rtp.check(index) !== 'new') return 'replay';
    const plain = this.#openRtp(packet, header, end, ssrc, index);
    if (plain === undefined) return 'bad-tag';
    this.remember(ssrc, source);
    return { packet: plain, newest: source.rtp.record(index) };
  }

  #openRtp(packet: Buffer, header: number, end: number, ssrc: number, index: number): Buffer | undefined {
    const keys = this.rtpKeys;
    const head = packet.subarray(0, header);
    const payload = packet.subarray(header, end);
    const tag = packet.subarray(end);
    if (keys.authentication === undefined) {
      const plain = openGcm(keys, rtpNonce(keys.salt, ssrc, index), head, payload, tag);
      return plain === undefined ? undefined : joined(head, plain);
    }
    const digest = authenticate(keys.authentication, packet.subarray(0, end), Math.floor(index / 65536));
    if (!tagMatches(digest, tag)) return undefined;
    const out = Buffer.allocUnsafe(end);
    out.set(head);
    counterMode(keys, counterBlock(keys.salt, ssrc, index), payload, out, header);
    return out;
  }

  /** SRTCP in, RTCP out. A packet with the E flag unset is authenticated only (RFC 3711 §3.4). */
  unprotectRtcp(wire: Buffer): Unprotected | SrtpDrop {
    const packet = this.#withoutMki(wire, this.suite.aead ? 0 : this.suite.rtcpTagBytes);
    if (packet === undefined) return 'bad-tag';
    const end = packet.length - this.suite.rtcpTagBytes - 4;
    if (end < RTCP_HEADER_BYTES) return 'short';
    const ssrc = packet.readUInt32BE(4);
    const source = this.source(ssrc);
    if (source === undefined) return 'source-limit';
    const trailer = packet.readUInt32BE(this.suite.aead ? packet.length - 4 : end);
    const index = trailer & 0x7fffffff;
    if (source.rtcp.check(index) !== 'new') return 'replay';
    const plain = this.#openRtcp(packet, end, ssrc, trailer);
    if (plain === undefined) return 'bad-tag';
    this.remember(ssrc, source);
    return { packet: plain, newest: source.rtcp.record(index) };
  }

  #openRtcp(packet: Buffer, end: number, ssrc: number, trailer: number): Buffer | undefined {
    const keys = this.rtcpKeys;
    const encrypted = trailer >= ENCRYPTED_FLAG;
    const index = trailer & 0x7fffffff;
    const head = packet.subarray(0, encrypted ? RTCP_HEADER_BYTES : end);
    const body = packet.subarray(head.length, end);
    if (keys.authentication === undefined) {
      const associated = Buffer.concat([head, word(trailer)]);
      const tag = packet.subarray(end, end + this.suite.rtcpTagBytes);
      const plain = openGcm(keys, rtcpNonce(keys.salt, ssrc, index), associated, body, tag);
      return plain === undefined ? undefined : joined(head, plain);
    }
    if (
      !tagMatches(authenticate(keys.authentication, packet.subarray(0, end + 4)), packet.subarray(end + 4))
    ) {
      return undefined;
    }
    const out = Buffer.allocUnsafe(end);
    out.set(head);
    counterMode(keys, counterBlock(keys.salt, ssrc, index), body, out, head.length);
    return out;
  }

  /** Takes out the MKI, `tagBytes` before the end (RFC 3711 §3.1; RFC 7714 puts it last). Undefined if wrong. */
  #withoutMki(wire: Buffer, tagBytes: number): Buffer | undefined {
    const { length } = this.mki;
    if (length === 0) return wire;
    const at = wire.length - tagBytes - length;
    if (at < 0 || this.mki.compare(wire, at, at + length) !== 0) return undefined;
    return joined(wire.subarray(0, at), wire.subarray(at + length));
  }
}

function joined(head: Buffer, rest: Buffer): Buffer {
  const out = Buffer.allocUnsafe(head.length + rest.length);
  out.set(head);
  out.set(rest, head.length);
  return out;
}
