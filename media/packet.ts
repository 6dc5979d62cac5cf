// RTP and RTCP headers: RFC 3550 §5.1, §6.4; telling them apart on one port: RFC 5761 §4, RFC 7983.
// Trusts nothing: a kind is only given to a packet whose fixed header lies inside the datagram (T-032).
// Payloads, report blocks and extensions stay unread.

/** What a datagram on a media port is. `short` and `other` are dropped and counted by their name. */
export type PacketKind = 'rtp' | 'rtcp' | 'short' | 'other';

/** RTP's fixed header, | V P X CC | M PT | sequence | timestamp | SSRC |. */
export const RTP_HEADER_BYTES = 12;
/** RTCP's common header and the sender's SSRC, | V P RC | PT | length | SSRC |. */
export const RTCP_HEADER_BYTES = 8;

/**
 * Classifies a datagram by its first bytes.
 * Version 2 with a second byte of 192 to 223 is RTCP (RFC 5761 §4: payload types 64 to 95 are not used for RTP).
 */
export function packetKind(bytes: Uint8Array): PacketKind {
  if (bytes.length < RTCP_HEADER_BYTES) return 'short';
  if ((bytes[0]! & 0xc0) !== 0x80) return 'other';
  const type = bytes[1]!;
  if (type >= 192 && type <= 223) return 'rtcp';
  return bytes.length < RTP_HEADER_BYTES ? 'short' : 'rtp';
}

/** Bytes before the payload: fixed header, CSRCs, extension (RFC 3550 §5.3.1). 0 when they overrun `end`. */
export function rtpHeaderBytes(packet: Buffer, end: number): number {
  let length = RTP_HEADER_BYTES + (packet[0]! & 0x0f) * 4;
  if (length > end) return 0;
  if ((packet[0]! & 0x10) !== 0) {
    if (length + 4 > end) return 0;
    length += 4 + packet.readUInt16BE(length + 2) * 4;
  }
  return length > end ? 0 : length;
}
