// Sources that a flow does not accept yet, each under a random token, and the trickle they may send.
// Trusts nothing: any address may fill it, so it is small, the one heard of longest ago gives way, and one token
// bucket bounds what the whole flow lets through.
#pragma once
#include <cstdint>
#include <vector>

#include "address.h"

namespace viaduct {

class ProbeTable {
 public:
  ProbeTable(size_t maxSources, double packetsPerSecond);

  /** Gives the token under which this packet may go on; false when the trickle is used up. */
  bool admit(const Address& source, int64_t now, uint32_t* token);
  /** The address behind a token, or null when it is forgotten. */
  const Address* source(uint32_t token) const;

 private:
  struct Entry {
    Address source;
    uint32_t token;
    uint64_t heard;
  };
  bool remember(const Address& source, uint32_t* token);

  const size_t maxSources_;
  const double packetsPerSecond_;
  double allowance_;
  int64_t refilledAt_ = 0;
  uint64_t heard_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace viaduct
