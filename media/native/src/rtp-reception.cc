// See rtp-reception.h.
#include "rtp-reception.h"

#include <algorithm>
#include <cmath>

#include "bytes.h"

namespace viaduct {
namespace {

constexpr uint32_t kMaxDropout = 3000, kMaxMisorder = 100;  // A.1

}  // namespace

void RtpReception::take(const uint8_t* packet, double nowMs, uint32_t clockRate, FlowCounters& counters) {
  const uint16_t sequence = read16(packet + 2);
  const uint32_t ssrc = read32(packet + 8);
  const uint32_t timestamp = read32(packet + 4);
  const double arrival = nowMs * clockRate / 1000;
  const double apart = std::fabs(arrival - arrival_ - static_cast<int32_t>(timestamp - timestamp_));
  if (!started_ || ssrc != ssrc_) {
    lostBefore_ = started_ ? lostBefore_ + lostNow() : 0;
    started_ = true;
    ssrc_ = ssrc;
    restart(sequence);
  } else if (!count(sequence, apart)) {
    return;
  }
  arrival_ = arrival;
  timestamp_ = timestamp;
  counters.lost.set(lostBefore_ + lostNow());
  counters.jitterMs.set(clockRate == 0 ? 0 : jitter_ * 1000 / clockRate);
}

void RtpReception::restart(uint16_t sequence) {
  base_ = highest_ = sequence;
  expected_ = -1;
  received_ = 1;
  jitter_ = 0;
}

bool RtpReception::count(uint16_t sequence, double apart) {
  const uint16_t ahead = static_cast<uint16_t>(sequence - highest_);
  if (ahead >= kMaxDropout && ahead <= 65536 - kMaxMisorder) {
    const bool confirmed = sequence == expected_;
    expected_ = confirmed ? -1 : static_cast<uint16_t>(sequence + 1);
    if (!confirmed) return false;
    lostBefore_ += lostNow();
    restart(sequence);
    return true;
  }
  if (ahead < kMaxDropout) highest_ += ahead;
  received_ += 1;
  jitter_ += (apart - jitter_) / 16;
  return true;
}

double RtpReception::lostNow() const { return std::max(0.0, static_cast<double>(highest_) - base_ + 1 - received_); }

}  // namespace viaduct
