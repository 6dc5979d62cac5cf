// libFuzzer target of the TURN relay's packet path, run with AddressSanitizer and UndefinedBehaviorSanitizer. An input is
// a list of records | what | length | bytes … |: datagrams from clients, peers and strangers to a listener and to relays.
// Each lies in a buffer of its own exact size, so that reading one byte beside it is seen; STUN's fixed parts can be
// asked for, so that what is behind them is reached.
#include <sys/socket.h>

#include <algorithm>
#include <cstdlib>

#include "turn-path.h"

using namespace viaduct;

namespace {

Address at(const char* host, uint16_t port) {
  Address address;
  parseAddress(host, port, &address);
  return address;
}

/** Sending fails in every way at once: this socket has no peer and no addresses. What is fuzzed ends before it. */
int deadSocket() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) != 0) abort();
  close(pair[1]);
  return pair[0];
}

std::shared_ptr<TurnSocket> makeSocket(bool listens) {
  auto socket = std::make_shared<TurnSocket>();
  socket->fd = deadSocket();
  socket->listens = listens;
  return socket;
}

const Address kClient = at("127.0.0.1", 1), kSix = at("2001:db8::1", 2), kStranger = at("127.0.0.1", 3);
const Address kPeer = at("192.0.2.1", 9), kOwn = at("10.0.0.1", 24000), kPeerSix = at("2001:db8::9", 9);

TurnLimits limits() {
  TurnLimits limits;
  limits.maxRelays = 4;
  limits.controlsPerSecond = 2;
  limits.own = {{at("203.0.113.1", 0), at("10.0.0.1", 0)}};
  limits.knownAttributes = {0x0006, 0x0008, 0x0012, 0x0013, 0x001a, 0x001c};
  return limits;
}

/** A client by UDP, one by IPv6, one on a stream; permissions, channels, and ports of our own. */
struct World {
  Upward upward{[] {}};
  TurnPath path{limits(), upward};
  std::shared_ptr<TurnSocket> listener = makeSocket(true);
  std::shared_ptr<Allocation> allocations[3];

  World() {
    const ClientEnd ends[] = {{listener, kClient}, {listener, kSix}, {}};
    for (size_t index = 0; index < 3; index++) {
      auto allocation = std::make_shared<Allocation>();
      allocation->id = static_cast<uint32_t>(index + 1);
      allocation->client = ends[index];
      allocation->four = makeSocket(false);
      allocation->four->allocation = allocation.get();
      if (index > 0) {
        allocation->six = makeSocket(false);
        allocation->six->allocation = allocation.get();
      }
      std::vector<Permission> permissions{{at("192.0.2.1", 0), true, {}},
                                          {at("203.0.113.1", 0), false, {{24000, 24009}}},
                                          {at("2001:db8::9", 0), true, {}}};
      std::vector<Channel> channels{{0x4000, kPeer}, {0x4001, kPeerSix}, {0x4002, at("198.51.100.1", 1)}};
      allocation->peers = std::make_shared<const Peers>(std::move(permissions), std::move(channels), path.own());
      path.clients.add(*allocation);
      allocations[index] = std::move(allocation);
    }
  }

  void deliver(TurnSocket& socket, const Address& from, const uint8_t* bytes, size_t length) {
    std::unique_ptr<uint8_t[]> exact(new uint8_t[length]);
    if (length > 0) std::memcpy(exact.get(), bytes, length);
    path.receive(socket, exact.get(), length, from);
  }

  /** The record as attributes of a Send indication whose head is right. */
  void deliverSend(const Address& from, const uint8_t* bytes, size_t length) {
    length &= ~size_t{3};
    std::vector<uint8_t> message(kStunHeaderBytes + length, 7);
    write16(message.data(), 0x0016);
    write16(message.data() + 2, static_cast<uint32_t>(length));
    write32(message.data() + 4, 0x2112a442);
    if (length > 0) std::memcpy(message.data() + kStunHeaderBytes, bytes, length);
    deliver(*listener, from, message.data(), message.size());
  }

  void record(uint8_t what, const uint8_t* bytes, size_t length) {
    const Address& client = (what & 0x10) != 0 ? kSix : kClient;
    Allocation& allocation = *allocations[(what >> 4) % 3];
    switch (what & 7) {
      case 0:
        return deliver(*listener, client, bytes, length);
      case 1:
        return deliver(*listener, kStranger, bytes, length);
      case 2:
      case 3:
        return deliverSend(client, bytes, length);
      case 4:
        return deliver(*allocation.four, (what & 8) != 0 ? kOwn : kPeer, bytes, length);
      case 5:
        if (allocation.six != nullptr) deliver(*allocation.six, kPeerSix, bytes, length);
        return;
      case 6:
        path.now += int64_t{what} * 10'000'000;
        upward.drain([](const uint8_t*, size_t) {});
        return;
      default:
        return path.outbox.flush(path.now);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  world.path.now = 0;
  for (const auto& allocation : world.allocations) allocation->controlSecond = -1;
  for (size_t offset = 0; offset + 3 <= size;) {
    const size_t length = std::min<size_t>(read16(data + offset + 1), size - offset - 3);
    world.record(data[offset], data + offset + 3, length);
    offset += 3 + length;
  }
  world.path.outbox.flush(world.path.now);
  world.upward.drain([](const uint8_t*, size_t) {});
  return 0;
}
