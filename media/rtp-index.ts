// The 48-bit packet index of SRTP: RFC 3711 §3.3.1 and appendix A. Pure.

/** 2^48: the key must not protect further packets (§9.2). */
export const RTP_INDEX_LIMIT = 2 ** 48;
/** 2^31: the same for SRTCP (§3.4). */
export const RTCP_INDEX_LIMIT = 2 ** 31;

/**
 * Guesses the index of a sequence number from the highest index so far (-1: none yet, rollover counter 0).
 * Negative when the guess lies before the start of the stream.
 */
export function estimateIndex(highest: number, sequence: number): number {
  if (highest < 0) return sequence;
  const last = highest % 65536;
  const rollover = (highest - last) / 65536;
  if (last < 32768) return (sequence - last > 32768 ? rollover - 1 : rollover) * 65536 + sequence;
  return (last - 32768 > sequence ? rollover + 1 : rollover) * 65536 + sequence;
}
