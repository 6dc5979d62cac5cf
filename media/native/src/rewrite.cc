// See rewrite.h.
#include "rewrite.h"

#include <algorithm>

#include "bytes.h"
#include "packet.h"

namespace viaduct {
namespace {

constexpr uint8_t kSenderReport = 200, kReceiverReport = 201, kDescription = 202, kBye = 203, kFeedback = 205,
                  kPayloadFeedback = 206;
constexpr size_t kReportBlockBytes = 24;
constexpr size_t kSenderReportHead = 28, kReceiverReportHead = 8, kFeedbackHead = 12;
/** Payload-specific feedback whose entries begin with an SSRC: FIR (RFC 5104 §4.3.1). */
constexpr uint8_t kFullIntraRequest = 4;
constexpr size_t kFullIntraEntryBytes = 8;

/** Bytes of an SDES chunk from its SSRC on: items until a zero, padded to four. 0 when it overruns `length`. */
size_t chunkBytes(const uint8_t* chunk, size_t length) {
  size_t at = 4;
  while (at < length && chunk[at] != 0) {
    if (at + 2 > length) return 0;
    at += 2u + chunk[at + 1];
  }
  const size_t end = (at / 4 + 1) * 4;
  return end > length ? 0 : end;
}

}  // namespace

void Rewrite::ssrcAt(uint8_t* at) const {
  const uint32_t ssrc = read32(at);
  for (const auto& [from, to] : ssrcs)
    if (from == ssrc) return write32(at, to);
}

void Rewrite::rtp(uint8_t* packet) const {
  ssrcAt(packet + 8);
  const uint8_t type = packet[1] & 0x7f;
  for (const auto& [from, to] : payloadTypes)
    if (from == type) {
      packet[1] = static_cast<uint8_t>((packet[1] & 0x80) | to);
      return;
    }
}

void Rewrite::rtcp(uint8_t* packet, size_t length) const {
  for (size_t at = 0; at + kRtcpHeaderBytes <= length;) {
    const size_t bytes = (read16(packet + at + 2) + 1u) * 4;
    if (bytes < kRtcpHeaderBytes || bytes > length - at) return;
    one(packet + at, bytes);
    at += bytes;
  }
}

/** One packet of a compound, its length checked. */
void Rewrite::one(uint8_t* packet, size_t length) const {
  const uint8_t type = packet[1];
  const size_t count = packet[0] & 0x1f;
  const auto each = [&](size_t first, size_t step, size_t times) {
    for (size_t at = first; times > 0 && at + 4 <= length; at += step, times--) ssrcAt(packet + at);
  };
  switch (type) {
    case kSenderReport:
      ssrcAt(packet + 4);
      return each(kSenderReportHead, kReportBlockBytes, count);
    case kReceiverReport:
      ssrcAt(packet + 4);
      return each(kReceiverReportHead, kReportBlockBytes, count);
    case kDescription:
      for (size_t at = 4, chunks = count; chunks > 0 && at + 4 <= length; chunks--) {
        ssrcAt(packet + at);
        const size_t bytes = chunkBytes(packet + at, length - at);
        if (bytes == 0) return;
        at += bytes;
      }
      return;
    case kBye:
      return each(4, 4, count);
    case kFeedback:
    case kPayloadFeedback:
      each(4, 4, 2);
      if (type == kPayloadFeedback && count == kFullIntraRequest)
        each(kFeedbackHead, kFullIntraEntryBytes, length / kFullIntraEntryBytes);
      return;
    default:  // APP, XR and what is to come begin with their sender's SSRC
      return ssrcAt(packet + 4);
  }
}

}  // namespace viaduct
