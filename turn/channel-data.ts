// ChannelData messages (RFC 8656 §12.4): bytes ↔ channel and payload. No memory, no sockets; trusts nothing.
//
//  0                   1                   2                   3
// | channel 0x4000..0x4FFF        | bytes of payload              |
// | payload; on streams padded to a multiple of 4 bytes (§12.5)   | …

/** Channels that clients may bind; 0x5000 to 0xFFFF are reserved (§12). */
export const FIRST_CLIENT_CHANNEL = 0x4000;
export const LAST_CLIENT_CHANNEL = 0x4fff;
/** COMPAT(RFC 5766 clients, coturn 4.6's turnutils_uclient): channels were drawn up to here before RFC 8656. */
export const LAST_RFC5766_CHANNEL = 0x7ffe;
export const CHANNEL_DATA_HEADER_BYTES = 4;

/** True when the first two bits are those of ChannelData, 01, and not of STUN, 00 (RFC 7983 has the rest). */
export function looksLikeChannelData(bytes: Uint8Array): boolean {
  return bytes.length >= CHANNEL_DATA_HEADER_BYTES && (bytes[0]! & 0xc0) === 0x40;
}

/** Payload of one whole ChannelData message, or undefined when it claims more bytes than there are. */
export function channelPayload(bytes: Buffer): Buffer | undefined {
  const end = CHANNEL_DATA_HEADER_BYTES + bytes.readUInt16BE(2);
  return end > bytes.length ? undefined : bytes.subarray(CHANNEL_DATA_HEADER_BYTES, end);
}

/** Prints a message; `padded` rounds it up to four bytes, as streams ask. */
export function printChannelData(channel: number, payload: Uint8Array, padded: boolean): Buffer {
  const end = CHANNEL_DATA_HEADER_BYTES + payload.length;
  const bytes = Buffer.allocUnsafe(padded ? end + (-end & 3) : end);
  bytes.writeUInt16BE(channel, 0);
  bytes.writeUInt16BE(payload.length, 2);
  bytes.set(payload, CHANNEL_DATA_HEADER_BYTES);
  if (padded) bytes.fill(0, end);
  return bytes;
}
