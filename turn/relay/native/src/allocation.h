// Sockets and allocations as the relay's thread sees them. The JavaScript thread makes and destroys these objects; between
// a command that shows one to the thread and the command that takes it away, only the thread touches what is not atomic.
#pragma once
#include <memory>

#include "peers.h"
#include "socket.h"

namespace viaduct {

struct Allocation;

/** A socket for clients, or of one relayed address. */
struct TurnSocket : Socket {
  /** Of a relayed address: whose it is. Null at a listener, and once it was closed. */
  Allocation* allocation = nullptr;
  bool listens = false;
};

/** Who is at the other end: a 5-tuple of a listener, or a stream whose bytes go through JavaScript. */
struct ClientEnd {
  std::shared_ptr<TurnSocket> listener;  // null: a stream
  Address remote;
};

/** A socket beside a relayed address that is connected to a peer who gets much. */
struct Direct : TurnSocket {
  Address peer;
};
constexpr size_t kDirects = 2;

struct Allocation {
  uint32_t id = 0;
  ClientEnd client;
  std::shared_ptr<const Peers> peers = std::make_shared<const Peers>();
  std::shared_ptr<TurnSocket> four, six;
  /** Of the thread, and of the JavaScript thread for what comes by a stream: each has one writer. */
  RelayCounters counters, streamCounters;

  Direct directs[kDirects];     // the thread's
  int32_t train = -1;           // of the outbox, to the client
  int64_t controlSecond = -1;   // requests of this second
  uint32_t controls = 0;
  Allocation* next = nullptr;   // in its bucket of the table of clients
};

/** Allocations by their clients' 5-tuples: a fixed number of buckets, links inside the allocations, a secret hash. */
class ClientTable {
 public:
  ClientTable(size_t most, uint64_t seed);
  Allocation* find(const TurnSocket& listener, const Address& remote) const;
  void add(Allocation& allocation);
  void remove(Allocation& allocation);

 private:
  Allocation** bucket(const Address& remote) { return &buckets_[hashOf(remote, seed_) & (buckets_.size() - 1)]; }
  const uint64_t seed_;
  std::vector<Allocation*> buckets_;
};

}  // namespace viaduct
