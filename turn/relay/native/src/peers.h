// To whom an allocation may send and whom it hears: permissions and channels as one table that never changes once made.
// The JavaScript thread makes a new one for each change; both threads may read it. Sizes are bounded by the machine that
// gives the orders.
#pragma once
#include <memory>
#include <vector>

#include "address.h"
#include "drops.h"
#include "stun.h"

namespace viaduct {

struct PortRange {
  uint16_t first, last;
};

struct Permission {
  Address host;  // port 0
  bool anyPort = true;
  std::vector<PortRange> ports;
  bool allows(uint16_t port) const;
};

struct Channel {
  uint16_t number = 0;
  Address peer;
};

/** An announced address of ours and where it is really reached on this machine; ports 0. */
struct OwnAddress {
  Address announced, reachable;
};

/** A way to a peer as the shard knows it: the train that can still grow, and how much went there. */
struct Way {
  int32_t train = -1;
  uint32_t packets = 0;
};

/** A payload on its way to a peer. */
struct Outbound {
  const uint8_t* payload = nullptr;
  size_t length = 0;
  Address to;                 // where it is sent
  Way* way = nullptr;         // the shard's
  bool dontFragment = false;
};

class Peers {
 public:
  Peers() = default;
  Peers(std::vector<Permission> permissions, std::vector<Channel> channels, const std::vector<OwnAddress>& own);

  const std::vector<Permission>& permissions() const { return permissions_; }
  const std::vector<Channel>& channels() const { return channels_; }

  /** One ChannelData message or Send indication of the client. */
  RelayDrop toPeer(const uint8_t* bytes, size_t length, const KnownAttributes& known, const std::vector<OwnAddress>& own,
                   Outbound* out) const;
  /** A packet of `source`; `channel` is 0 when it has to go as a Data indication. */
  RelayDrop fromPeer(const Address& source, uint16_t* channel) const;
  /** Whether an ICMP error about a packet to `peer` is the client's business. */
  bool permits(const Address& peer) const { return permission(peer) != nullptr; }

 private:
  /** Open addressing over places of a vector; half empty or more. */
  class Index {
   public:
    void reserve(size_t count);
    void add(uint32_t hash, uint16_t place);
    /** The place whose key `matches`, or kNone. */
    template <typename Matches>
    uint16_t find(uint32_t hash, Matches matches) const {
      if (slots_.empty()) return kNone;
      for (size_t at = hash & (slots_.size() - 1);; at = (at + 1) & (slots_.size() - 1)) {
        const uint16_t place = slots_[at];
        if (place == kNone || matches(place)) return place;
      }
    }
    static constexpr uint16_t kNone = 0xffff;

   private:
    std::vector<uint16_t> slots_;
  };

  const Permission* permission(const Address& peer) const;
  RelayDrop judge(const Permission* permission, uint16_t port) const;

  std::vector<Permission> permissions_;
  std::vector<Channel> channels_;
  std::vector<Address> reached_;             // of each channel, where its peer is really reached
  std::vector<const Permission*> allowing_;  // of each channel, or null
  Index byHost_, byNumber_, byPeer_;
  /** Of each channel, then of each permission. */
  std::unique_ptr<Way[]> ways_;
};

/** `address` as it is reached from here, and as it is told to clients. */
Address reachableOf(const Address& address, const std::vector<OwnAddress>& own);
Address announcedOf(const Address& address, const std::vector<OwnAddress>& own);

inline uint32_t hashOf(const Address& address, uint64_t seed) {
  uint64_t words[2];
  uint32_t head;
  std::memcpy(&head, &address, 4);
  std::memcpy(words, address.ip, 16);
  uint64_t state = (seed ^ head) * 0x9e3779b97f4a7c15ull;
  for (const uint64_t word : words) state = ((state ^ (state >> 29)) + word) * 0xbf58476d1ce4e5b9ull;
  return static_cast<uint32_t>(state >> 32);
}

}  // namespace viaduct
