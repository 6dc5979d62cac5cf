// Changing SSRCs and payload types of packets on their way: RFC 3550 §5.1, §6.4 to §6.6, RFC 4585 §6.1, RFC 5104.
// A packet that names none of the SSRCs of the list goes on as it is. RTCP is walked packet by packet of a compound;
// a length that lies ends the walk. The native twin is native/src/rewrite.cc. Pure.
import { RTCP_HEADER_BYTES } from './packet.ts';

/** Pairs of what a packet says and what it is to say. */
export interface Rewrite {
  readonly ssrcs: readonly (readonly [from: number, to: number])[];
  /** 0 to 63 and 96 to 127: the others would look like RTCP (RFC 5761 §4). */
  readonly payloadTypes: readonly (readonly [from: number, to: number])[];
}

/** Pairs of each kind that a flow may have. */
export const MAX_REWRITES = 16;

const SENDER_REPORT = 200;
const RECEIVER_REPORT = 201;
const DESCRIPTION = 202;
const BYE = 203;
const FEEDBACK = 205;
const PAYLOAD_FEEDBACK = 206;
const REPORT_BLOCK_BYTES = 24;
const SENDER_REPORT_HEAD = 28;
const RECEIVER_REPORT_HEAD = 8;
const FEEDBACK_HEAD = 12;
/** Payload-specific feedback whose entries begin with an SSRC: FIR (RFC 5104 §4.3.1). */
const FULL_INTRA_REQUEST = 4;
const FULL_INTRA_ENTRY_BYTES = 8;

/** Is this a list that packets can be rewritten by? */
export function isRewrite({ ssrcs, payloadTypes }: Rewrite): boolean {
  const whole = (value: number, most: number): boolean =>
    Number.isInteger(value) && value >= 0 && value <= most;
  const isType = (type: number): boolean => whole(type, 127) && (type < 64 || type > 95);
  return (
    ssrcs.length <= MAX_REWRITES &&
    payloadTypes.length <= MAX_REWRITES &&
    ssrcs.every(([from, to]) => whole(from, 0xffffffff) && whole(to, 0xffffffff)) &&
    payloadTypes.every(([from, to]) => isType(from) && isType(to))
  );
}

/** Rewrites RTP of at least 12 bytes in place. */
export function rewriteRtp(packet: Buffer, rewrite: Rewrite): void {
  ssrcAt(packet, 8, rewrite);
  const type = packet[1]! & 0x7f;
  const found = rewrite.payloadTypes.find(([from]) => from === type);
  if (found !== undefined) packet[1] = (packet[1]! & 0x80) | found[1];
}

/** Rewrites RTCP, maybe compound, in place. */
export function rewriteRtcp(packet: Buffer, rewrite: Rewrite): void {
  for (let at = 0; at + RTCP_HEADER_BYTES <= packet.length;) {
    const bytes = (packet.readUInt16BE(at + 2) + 1) * 4;
    if (bytes < RTCP_HEADER_BYTES || bytes > packet.length - at) return;
    rewriteOne(packet.subarray(at, at + bytes), rewrite);
    at += bytes;
  }
}

function rewriteOne(packet: Buffer, rewrite: Rewrite): void {
  const count = packet[0]! & 0x1f;
  const each = (first: number, step: number, times: number): void => {
    for (let at = first, left = times; left > 0 && at + 4 <= packet.length; at += step, left--)
      ssrcAt(packet, at, rewrite);
  };
  switch (packet[1]) {
    case SENDER_REPORT:
      ssrcAt(packet, 4, rewrite);
      return each(SENDER_REPORT_HEAD, REPORT_BLOCK_BYTES, count);
    case RECEIVER_REPORT:
      ssrcAt(packet, 4, rewrite);
      return each(RECEIVER_REPORT_HEAD, REPORT_BLOCK_BYTES, count);
    case DESCRIPTION:
      return rewriteChunks(packet, count, rewrite);
    case BYE:
      return each(4, 4, count);
    case FEEDBACK:
    case PAYLOAD_FEEDBACK:
      each(4, 4, 2);
      if (packet[1] === PAYLOAD_FEEDBACK && count === FULL_INTRA_REQUEST)
        each(FEEDBACK_HEAD, FULL_INTRA_ENTRY_BYTES, packet.length);
      return;
    default: // APP, XR and what is to come begin with their sender's SSRC
      return ssrcAt(packet, 4, rewrite);
  }
}

function rewriteChunks(packet: Buffer, count: number, rewrite: Rewrite): void {
  for (let at = 4, left = count; left > 0 && at + 4 <= packet.length; left--) {
    ssrcAt(packet, at, rewrite);
    const bytes = chunkBytes(packet.subarray(at));
    if (bytes === 0) return;
    at += bytes;
  }
}

/** Bytes of an SDES chunk from its SSRC on: items until a zero, padded to four. 0 when it overruns the packet. */
function chunkBytes(chunk: Buffer): number {
  let at = 4;
  while (at < chunk.length && chunk[at] !== 0) {
    if (at + 2 > chunk.length) return 0;
    at += 2 + chunk[at + 1]!;
  }
  const end = (Math.floor(at / 4) + 1) * 4;
  return end > chunk.length ? 0 : end;
}

function ssrcAt(packet: Buffer, at: number, { ssrcs }: Rewrite): void {
  const ssrc = packet.readUInt32BE(at);
  const found = ssrcs.find(([from]) => from === ssrc);
  if (found !== undefined) packet.writeUInt32BE(found[1], at);
}
