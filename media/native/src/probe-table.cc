// Tokens come from the kernel's generator: who guesses one could steer a call's media.
#include "probe-table.h"

#include <sys/random.h>

#include <algorithm>

namespace viaduct {

ProbeTable::ProbeTable(size_t maxSources, double packetsPerSecond)
    : maxSources_(std::max<size_t>(maxSources, 1)),
      packetsPerSecond_(packetsPerSecond),
      allowance_(packetsPerSecond) {
  entries_.reserve(maxSources_);
}

bool ProbeTable::admit(const Address& source, int64_t now, uint32_t* token) {
  const double elapsedNs = static_cast<double>(std::max<int64_t>(0, now - refilledAt_));
  allowance_ = std::min(packetsPerSecond_, allowance_ + elapsedNs * packetsPerSecond_ / 1e9);
  refilledAt_ = now;
  if (allowance_ < 1) return false;
  allowance_ -= 1;
  return remember(source, token);
}

const Address* ProbeTable::source(uint32_t token) const {
  for (const Entry& entry : entries_)
    if (entry.token == token) return &entry.source;
  return nullptr;
}

bool ProbeTable::remember(const Address& source, uint32_t* token) {
  heard_ += 1;
  for (Entry& entry : entries_) {
    if (!(entry.source == source)) continue;
    entry.heard = heard_;
    *token = entry.token;
    return true;
  }
  do {
    if (getrandom(token, sizeof *token, GRND_NONBLOCK) != sizeof *token) return false;
  } while (this->source(*token) != nullptr);
  const Entry entry{source, *token, heard_};
  if (entries_.size() < maxSources_) {
    entries_.push_back(entry);
  } else {
    *std::min_element(entries_.begin(), entries_.end(),
                      [](const Entry& a, const Entry& b) { return a.heard < b.heard; }) = entry;
  }
  return true;
}

}  // namespace viaduct
