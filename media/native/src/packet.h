// RTP and RTCP headers: RFC 3550 §5.1, §6.4; telling them apart on one port: RFC 5761 §4, RFC 7983.
// Trusts nothing: a kind is only given to a packet whose fixed header lies inside the datagram.
#pragma once
#include <cstddef>

#include "bytes.h"

namespace viaduct {

/** | V P X CC | M PT | sequence | timestamp | SSRC | */
constexpr size_t kRtpHeaderBytes = 12;
/** | V P RC | PT | length | SSRC | */
constexpr size_t kRtcpHeaderBytes = 8;
/** ChannelData, RFC 8656 §12.4: | channel | bytes that follow | */
constexpr size_t kChannelHeaderBytes = 4;
constexpr size_t kTokenBytes = 4;
/** The largest UDP payload, and so the largest packet that any step has to hold. */
constexpr size_t kMaxDatagramBytes = 65535;

enum class Kind { Rtp, Rtcp, Short, Other };

inline Kind packetKind(const uint8_t* packet, size_t length) {
  if (length < kRtcpHeaderBytes) return Kind::Short;
  if ((packet[0] & 0xc0) != 0x80) return Kind::Other;
  if (packet[1] >= 192 && packet[1] <= 223) return Kind::Rtcp;
  return length < kRtpHeaderBytes ? Kind::Short : Kind::Rtp;
}

/** Bytes before the payload: fixed header, CSRCs, extension (§5.3.1). 0 when they overrun `end` (at least 12). */
inline size_t rtpHeaderBytes(const uint8_t* packet, size_t end) {
  size_t length = kRtpHeaderBytes + (packet[0] & 0x0f) * 4u;
  if (length > end) return 0;
  if ((packet[0] & 0x10) != 0) {
    if (length + 4 > end) return 0;
    length += 4 + read16(packet + length + 2) * 4u;
  }
  return length > end ? 0 : length;
}

/** First eight bytes of STUN (RFC 8489 §5): top bits 00, the magic cookie, a length that is a multiple of four. */
inline bool looksLikeStun(const uint8_t* packet, size_t length) {
  return length >= 20 && packet[0] < 0x40 && read32(packet + 4) == 0x2112a442 && (packet[3] & 3) == 0;
}

}  // namespace viaduct
