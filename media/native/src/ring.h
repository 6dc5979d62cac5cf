// A bounded queue between two threads, one that pushes and one that pops; neither ever waits for the other.
#pragma once
#include <atomic>
#include <cstddef>
#include <vector>

namespace viaduct {

template <typename T>
class Ring {
 public:
  /** `capacity` is a power of two. */
  explicit Ring(size_t capacity) : slots_(capacity) {}

  /** The slot to fill, made visible by `pushed`; null when the ring is full. */
  T* next() {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == slots_.size()) return nullptr;
    return &slots_[tail & (slots_.size() - 1)];
  }
  void pushed() { tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  /** The oldest slot, given back by `popped`; null when the ring is empty. */
  T* front() {
    const size_t head = head_.load(std::memory_order_relaxed);
    if (head == tail_.load(std::memory_order_acquire)) return nullptr;
    return &slots_[head & (slots_.size() - 1)];
  }
  void popped() { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

 private:
  std::vector<T> slots_;
  alignas(64) std::atomic<size_t> tail_{0};
  alignas(64) std::atomic<size_t> head_{0};
};

}  // namespace viaduct
