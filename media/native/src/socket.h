// A UDP socket of a shard, and what takes its packets. The JavaScript thread makes and destroys sockets; between a
// command that shows one to the shard and the command that takes it away, only the shard touches it.
#pragma once
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "address.h"
#include "event-rate.h"

namespace viaduct {

constexpr int64_t kSecond = 1'000'000'000;

struct Socket {
  Socket() = default;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd >= 0) ::close(fd);
  }

  uint32_t id = 0;
  int fd = -1;  // -1 once closed
  Address bound;
  /** Largest datagram sent as part of a GSO train; smaller where the path or the kernel refused. */
  uint32_t maxSegmentBytes = 1452;
  EventRate<4> failures{kSecond};
  /** The last look found several packets: the next one is worth a batch. */
  bool busy = false;
  /** The round of that look. */
  uint32_t round = 0;
  /** Has one remote address, which sends go to without being told. */
  bool connected = false;
  /** The kernel keeps ICMP errors for this socket (IP_RECVERR): a send may fail once for what happened before it. */
  bool hasErrorQueue = false;
};

/**
 * A bound UDP socket, IPv6 only where it is IPv6; -1 with errno set. `bufferBytes` of the kernel each way, as far as the
 * machine allows; 0 leaves the system's. `trains`: the kernel may join packets that follow each other (UDP_GRO).
 */
int bindUdp(const Address& bind, uint32_t bufferBytes, bool trains);
/**
 * A second socket at the address of `first`, for what goes to and comes from `remote` alone: the kernel looks up its way
 * once instead of for each packet. -1 where it cannot be.
 */
int connectBeside(const Socket& first, const Address& remote, uint32_t bufferBytes);
Address boundAddress(int fd);

}  // namespace viaduct
