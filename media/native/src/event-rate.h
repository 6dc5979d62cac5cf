// Bounds how often the same event is told: once per period and key, for at most `Keys` keys at a time.
#pragma once
#include <array>
#include <cstdint>

namespace viaduct {

template <size_t Keys>
class EventRate {
 public:
  explicit EventRate(int64_t periodNs) : periodNs_(periodNs) {}

  /** May this event be told now? With every place taken by recent keys, a new key has to wait. */
  bool admit(uint32_t key, int64_t now) {
    Entry* free = nullptr;
    for (Entry& entry : told_) {
      if (entry.used && now - entry.at >= periodNs_) entry.used = false;
      if (entry.used && entry.key == key) return false;
      if (!entry.used && free == nullptr) free = &entry;
    }
    if (free == nullptr) return false;
    *free = {key, now, true};
    return true;
  }

 private:
  struct Entry {
    uint32_t key = 0;
    int64_t at = 0;
    bool used = false;
  };
  int64_t periodNs_;
  std::array<Entry, Keys> told_;
};

}  // namespace viaduct
