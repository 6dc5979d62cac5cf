// Replay protection by packet index: RFC 3711 §3.3.2. A ring of bits, cleared word by word as the top advances.
// `check` changes nothing, so that only an authenticated packet is ever recorded.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>

namespace viaduct {

class ReplayWindow {
 public:
  /** Packets more than this many behind the newest are refused; RFC 3711 asks for at least 64. */
  static constexpr int64_t kPackets = 128;
  static constexpr size_t kSeenWords = kPackets / 32;
  enum class Verdict { New, Seen, Old };

  ReplayWindow() = default;
  /** `highest` is the newest index already used: it and all before it count as seen. -1 for a fresh window. */
  explicit ReplayWindow(int64_t highest) : highest_(highest) {
    if (highest < 0) return;
    bits_.fill(~0u);
    const uint32_t used = static_cast<uint32_t>(highest % 32) + 1;
    bits_[wordOf(highest)] = used == 32 ? ~0u : (1u << used) - 1;
  }

  /** As it stood elsewhere: bit `n` of `seen` (word n / 32) says whether the index n below `highest` was used. */
  ReplayWindow(int64_t highest, const uint32_t seen[kSeenWords]) : highest_(highest) {
    for (int64_t behind = 0; behind < kPackets && behind <= highest; behind++) {
      if ((seen[behind / 32] >> (behind % 32) & 1) != 0) bits_[wordOf(highest - behind)] |= bitOf(highest - behind);
    }
  }

  int64_t highest() const { return highest_; }

  /** What the constructor above takes. */
  void seen(uint32_t out[kSeenWords]) const {
    std::fill(out, out + kSeenWords, 0u);
    for (int64_t behind = 0; behind < kPackets && behind <= highest_; behind++) {
      const int64_t index = highest_ - behind;
      if ((bits_[wordOf(index)] & bitOf(index)) != 0) out[behind / 32] |= 1u << (behind % 32);
    }
  }

  Verdict check(int64_t index) const {
    if (index > highest_) return Verdict::New;
    if (index <= highest_ - kPackets) return Verdict::Old;
    return (bits_[wordOf(index)] & bitOf(index)) == 0 ? Verdict::New : Verdict::Seen;
  }

  /** Records an index that `check` called new. Returns whether it is the newest so far. */
  bool record(int64_t index) {
    const bool newest = index > highest_;
    if (newest) advance(index);
    bits_[wordOf(index)] |= bitOf(index);
    return newest;
  }

 private:
  static constexpr int64_t kWords = 8;  // twice the window, so that clearing whole words never touches live bits

  static size_t wordOf(int64_t index) { return static_cast<size_t>(index / 32 % kWords); }
  static uint32_t bitOf(int64_t index) { return 1u << (index % 32); }

  void advance(int64_t index) {
    const int64_t from = highest_ < 0 ? -1 : highest_ / 32;
    const int64_t steps = std::min(index / 32 - from, kWords);
    for (int64_t step = 1; step <= steps; step++) bits_[static_cast<size_t>((from + step) % kWords)] = 0;
    highest_ = index;
  }

  int64_t highest_ = -1;
  std::array<uint32_t, kWords> bits_{};
};

}  // namespace viaduct
