// What a shard tells JavaScript: rare records in a bounded ring, and one wake-up for as many as have come.
#pragma once
#include <atomic>
#include <functional>

#include "address.h"
#include "counters.h"
#include "ring.h"

namespace viaduct {

/** Numbers are part of the binding: native-engine.ts has the same list. */
enum class EventType : uint32_t { Proven = 0, Source = 1, Active = 2, Stun = 3, PortFailed = 4, Check = 5, ShardFailed = 6 };

/** Longest STUN message on a link port that is told; a hello takes about 150 bytes. */
constexpr size_t kMaxStunBytes = 1500;

struct Event {
  EventType type;
  uint32_t handle;  // flow, port or shard
  uint32_t value;   // token, or errno
  Address source;
  uint32_t length;  // of the STUN message, or of the words that say why a shard failed
  uint8_t bytes[kMaxStunBytes];
};

class Events {
 public:
  Events(size_t capacity, std::function<void()> wake) : ring_(capacity), wake_(std::move(wake)) {}

  /** False when the ring is full: the event is lost and counted. `bytes` may be null. */
  bool tell(EventType type, uint32_t handle, uint32_t value, const Address& source, const uint8_t* bytes = nullptr,
            size_t length = 0);
  /** On the JavaScript thread: hands out what has come. */
  template <typename Use>
  void drain(Use use) {
    woken_.store(false);
    for (Event* event = ring_.front(); event != nullptr; event = ring_.front()) {
      use(*event);
      ring_.popped();
    }
  }
  uint64_t lost() const { return lost_.get(); }

 private:
  Ring<Event> ring_;
  std::function<void()> wake_;
  std::atomic<bool> woken_{false};
  Counter lost_;
};

}  // namespace viaduct
