// The latest packets of a call, for an operator who has asked to see them: a ring of slots allocated when the capture
// is opened, written by the shard, read by the JavaScript thread between two rounds. The oldest gives way. Holds
// whatever the flow carries, which may be speech; never a key.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace viaduct {

/** Where in a flow packets are copied: as they came, opened and not sealed yet, or as they leave. */
enum class CaptureView : uint8_t { In, Plain, Out };

class Capture {
 public:
  Capture(size_t packets, size_t snapBytes)
      : snapBytes_(snapBytes), entries_(std::max<size_t>(packets, 1)), bytes_(entries_.size() * snapBytes) {}

  void add(uint32_t flow, int64_t atNs, const uint8_t* packet, size_t length) {
    const size_t slot = static_cast<size_t>(taken_ % entries_.size());
    const size_t kept = std::min(length, snapBytes_);
    entries_[slot] = {atNs, flow, static_cast<uint32_t>(length), static_cast<uint32_t>(kept)};
    if (kept > 0) std::memcpy(bytes_.data() + slot * snapBytes_, packet, kept);
    taken_ += 1;
  }

  /** Oldest first: time, flow, length on the wire, bytes kept. */
  template <typename Use>
  void read(Use use) const {
    const uint64_t count = std::min<uint64_t>(taken_, entries_.size());
    for (uint64_t at = taken_ - count; at < taken_; at++) {
      const size_t slot = static_cast<size_t>(at % entries_.size());
      const Entry& entry = entries_[slot];
      use(entry.atNs, entry.flow, entry.length, bytes_.data() + slot * snapBytes_, entry.kept);
    }
  }

  /** Packets seen since the capture was opened, those that gave way included. */
  uint64_t taken() const { return taken_; }

 private:
  struct Entry {
    int64_t atNs;
    uint32_t flow, length, kept;
  };
  const size_t snapBytes_;
  uint64_t taken_ = 0;
  std::vector<Entry> entries_;
  std::vector<uint8_t> bytes_;
};

}  // namespace viaduct
