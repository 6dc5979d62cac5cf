// Changing SSRCs and payload types of packets on their way: RFC 3550 §5.1, §6.4 to §6.6, RFC 4585 §6.1, RFC 5104.
// A packet that names none of the SSRCs of the list goes on as it is. RTCP is walked packet by packet of a compound;
// a length that lies ends the walk. Semantics of media/rewrite.ts, byte for byte.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace viaduct {

struct Rewrite {
  std::vector<std::pair<uint32_t, uint32_t>> ssrcs;        // from, to
  std::vector<std::pair<uint8_t, uint8_t>> payloadTypes;  // from, to

  /** `packet` is RTP of at least 12 bytes. */
  void rtp(uint8_t* packet) const;
  /** `packet` is RTCP, maybe compound. */
  void rtcp(uint8_t* packet, size_t length) const;

 private:
  void ssrcAt(uint8_t* at) const;
  void one(uint8_t* packet, size_t length) const;
};

}  // namespace viaduct
