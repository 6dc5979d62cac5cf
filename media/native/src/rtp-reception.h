// What a stream has lost on its way and how unevenly it comes: RFC 3550 A.1, A.3, A.8. Of the SSRC heard last; what
// former ones had lost stays counted. Semantics of media/rtp-reception.ts.
#pragma once
#include <cstdint>

#include "counters.h"

namespace viaduct {

class RtpReception {
 public:
  /** An RTP packet that passed, of at least 12 bytes. */
  void take(const uint8_t* packet, double nowMs, uint32_t clockRate, FlowCounters& counters);

 private:
  void restart(uint16_t sequence);
  /** False for a packet so far away that it belongs to no sequence yet. */
  bool count(uint16_t sequence, double apart);
  double lostNow() const;

  bool started_ = false;
  uint32_t ssrc_ = 0;
  uint32_t base_ = 0, highest_ = 0;  // extended sequence numbers
  int32_t expected_ = -1;            // what would confirm a jump
  double received_ = 0, lostBefore_ = 0, jitter_ = 0;
  double arrival_ = 0;    // in units of the RTP clock
  uint32_t timestamp_ = 0;
};

}  // namespace viaduct
