// A bounded queue of records of any length between two threads, one that writes and one that reads; neither ever waits.
#pragma once
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>

namespace viaduct {

class ByteRing {
 public:
  /** `capacity` is a power of two. */
  explicit ByteRing(size_t capacity) : capacity_(capacity), bytes_(new uint8_t[capacity]) {}

  /** Room for a record, made visible by `written`; null when it does not fit now. */
  uint8_t* room(size_t length) {
    const size_t head = head_.load(std::memory_order_acquire);
    size_t tail = tail_.load(std::memory_order_relaxed);
    const size_t taken = taking(length), toEnd = capacity_ - (tail & (capacity_ - 1));
    const size_t skipped = taken > toEnd ? toEnd : 0;
    if (tail - head + skipped + taken > capacity_) return nullptr;
    if (skipped > 0) {
      const uint32_t mark = kSkip;
      std::memcpy(at(tail), &mark, sizeof mark);
      tail += skipped;
    }
    const uint32_t size = static_cast<uint32_t>(length);
    std::memcpy(at(tail), &size, sizeof size);
    next_ = tail + taken;
    return at(tail) + kHeader;
  }
  void written() { tail_.store(next_, std::memory_order_release); }

  /** The oldest record, given back by `taken`; null when there is none. */
  const uint8_t* front(size_t* length) {
    size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return nullptr;
    uint32_t size;
    std::memcpy(&size, at(head), sizeof size);
    if (size == kSkip) {
      head += capacity_ - (head & (capacity_ - 1));
      std::memcpy(&size, at(head), sizeof size);
    }
    *length = size;
    after_ = head + taking(size);
    return at(head) + kHeader;
  }
  void taken() { head_.store(after_, std::memory_order_release); }

 private:
  static constexpr size_t kHeader = 8;
  static constexpr uint32_t kSkip = 0xffffffff;
  static size_t taking(size_t length) { return kHeader + ((length + 7) & ~size_t{7}); }
  uint8_t* at(size_t position) { return bytes_.get() + (position & (capacity_ - 1)); }

  const size_t capacity_;
  std::unique_ptr<uint8_t[]> bytes_;
  size_t next_ = 0;   // the writer's
  size_t after_ = 0;  // the reader's
  alignas(64) std::atomic<size_t> tail_{0};
  alignas(64) std::atomic<size_t> head_{0};
};

}  // namespace viaduct
