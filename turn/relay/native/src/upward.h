// What the relay's thread tells JavaScript: three bounded queues, so that strangers cannot starve clients and data cannot
// starve requests. A record that does not fit is dropped and counted. One wake-up for as many as have come in a round.
//
//   | kind 8 | family 8 | port 16 | id 32 | value 32 | address 128 | bytes …     in the machine's byte order
#pragma once
#include <functional>

#include "address.h"
#include "byte-ring.h"
#include "counters.h"

namespace viaduct {

/** Numbers are part of the binding: native-relay.ts has the same list. */
enum class Upcall : uint8_t { Control = 0, Data = 1, Failure = 2 };
/** Who is behind a record: a client's request, data for a client on a stream, a request of somebody unknown. */
enum class Lane : uint8_t { Clients = 0, Streams = 1, Strangers = 2 };
constexpr size_t kLanes = 3;
constexpr size_t kUpcallBytes = 28;

class Upward {
 public:
  explicit Upward(std::function<void()> wake) : wake_(std::move(wake)) {}

  /** Room for `length` bytes behind the record's head, made visible by `told`; null when the lane is full. */
  uint8_t* tell(Lane lane, Upcall kind, uint32_t id, uint32_t value, const Address& source, size_t length) {
    uint8_t* record = ring(lane).room(kUpcallBytes + length);
    if (record == nullptr) {
      lost_[static_cast<size_t>(lane)].add(1);
      return nullptr;
    }
    record[0] = static_cast<uint8_t>(kind);
    record[1] = source.family == AF_INET6 ? 6 : source.family == AF_INET ? 4 : 0;
    std::memcpy(record + 2, &source.port, 2);
    std::memcpy(record + 4, &id, 4);
    std::memcpy(record + 8, &value, 4);
    std::memcpy(record + 12, source.ip, 16);
    return record + kUpcallBytes;
  }
  void told(Lane lane) {
    ring(lane).written();
    waits_ = true;
  }
  /** Wakes JavaScript if something waits and it has not been woken. */
  void roundEnds() {
    if (!waits_) return;
    waits_ = false;
    if (!woken_.exchange(true)) wake_();
  }

  // For the JavaScript thread.
  /** Hands out records of each lane up to its bound of bytes; true when some are left: `wakeAgain` is then due. */
  template <typename Use>
  bool drain(Use use) {
    woken_.store(false);
    bool left = false;
    for (size_t lane = 0; lane < kLanes; lane++) {
      size_t length = 0, bytes = 0;
      for (const uint8_t* record; (record = rings_[lane].front(&length)) != nullptr; rings_[lane].taken()) {
        bytes += length;
        if (bytes > kTurnBytes[lane]) {
          left = true;
          break;
        }
        use(record, length);
      }
    }
    if (left) woken_.store(true);
    return left;
  }
  void wakeAgain() { wake_(); }
  uint64_t lost(Lane lane) const { return lost_[static_cast<size_t>(lane)].get(); }

 private:
  ByteRing& ring(Lane lane) { return rings_[static_cast<size_t>(lane)]; }

  /** What JavaScript takes in one turn of its loop; a record is shorter than any of them. */
  static constexpr size_t kTurnBytes[kLanes] = {256 << 10, 512 << 10, 32 << 10};

  ByteRing rings_[kLanes] = {ByteRing(512 << 10), ByteRing(4 << 20), ByteRing(256 << 10)};
  Counter lost_[kLanes];
  std::function<void()> wake_;
  bool waits_ = false;  // the shard's
  std::atomic<bool> woken_{false};
};

}  // namespace viaduct
