// Why a packet of an allocation went nowhere: `RelayDrop` of relay-path.ts, in that order.
#pragma once
#include "counters.h"

namespace viaduct {

enum class RelayDrop : uint8_t {
  Malformed,
  UnknownChannel,
  NoPermission,
  PortDenied,
  NoRelay,
  NoAllocation,
  ClientSlow,
  SocketError,
  None,  // it went somewhere
};
constexpr size_t kRelayDrops = 8;

struct RelayCounters {
  Counter packetsFromClient, bytesFromClient, packetsFromPeers, bytesFromPeers;
  Counter drops[kRelayDrops];
  Counter& dropped(RelayDrop reason) { return drops[static_cast<size_t>(reason)]; }
};

}  // namespace viaduct
