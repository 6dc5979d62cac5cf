// Counters with one writer, the shard's thread, and readers on the JavaScript thread: plain moves, no locked
// instructions. The order of the words is the order in which the binding hands them out.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace viaduct {

class Counter {
 public:
  void add(uint64_t count) { value_.store(get() + count, std::memory_order_relaxed); }
  void take(uint64_t count) { value_.store(get() - count, std::memory_order_relaxed); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

/** Why a packet of a flow was dropped: `FlowDrop` of engine.ts, in that order. */
enum class Drop : uint8_t {
  ForeignSource,
  ProbeRate,
  Short,
  NotRtp,
  BadTag,
  Replay,
  SourceLimit,
  KeyExhausted,
  NoDestination,
  SendFailed,
};
constexpr size_t kDrops = 10;

/** A number with one writer and any readers. */
class Gauge {
 public:
  void set(double value) { value_.store(value, std::memory_order_relaxed); }
  double get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

struct FlowCounters {
  Counter packetsIn, bytesIn, packetsOut, probed;
  /** RTP that passed: packets missing between those that came, and interarrival jitter in milliseconds. */
  Gauge lost, jitterMs;
  Counter drops[kDrops];
  void drop(Drop reason) { drops[static_cast<size_t>(reason)].add(1); }
};

struct LinkCounters {
  Counter packetsIn, packetsOut, unknownChannel, malformed;
};

}  // namespace viaduct
