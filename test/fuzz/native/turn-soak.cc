// The whole TURN relay for a few seconds with packets going round on loopback while allocations, permissions, channels
// and clients come and go under them; built once with ThreadSanitizer, once with AddressSanitizer. Argument: seconds.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "relay.h"

using namespace viaduct;

namespace {

void must(const Refusal& refusal) {
  if (!refusal) return;
  std::fprintf(stderr, "turn-soak: %s: %s\n", refusal.code.c_str(), refusal.text.c_str());
  std::exit(1);
}

Address loopback(uint16_t port = 0) {
  Address address;
  parseAddress("127.0.0.1", port, &address);
  return address;
}

TurnLimits limits() {
  TurnLimits limits;
  limits.maxRelays = 16;
  limits.listenerBufferBytes = limits.relayBufferBytes = 1 << 18;
  limits.controlsPerSecond = 10;
  limits.knownAttributes = {0x0012, 0x0013, 0x001a};
  return limits;
}

/** A client and a peer on sockets of their own; the peer sends everything back. */
struct Soak {
  Relay relay{limits(), [] {}};
  uint32_t listener = 0, randomState = 7, ids = 0;
  Address bound;
  int client = bindUdp(loopback(), 0, false), peer = bindUdp(loopback(), 0, false);

  ~Soak() {
    ::close(client);
    ::close(peer);
  }

  uint32_t random(uint32_t limit) {
    randomState = randomState * 1103515245 + 12345;
    return (randomState >> 8) % limit;
  }

  void begin() {
    int buffer = 0;
    must(relay.openListener(loopback(), &listener, &bound, &buffer));
  }

  /** The last one opened has the client's 5-tuple, the others had it. */
  void open() {
    ids += 1;
    must(relay.open(ids, {random(4) == 0 ? 0 : listener, boundAddress(client)}, {loopback()}));
    relay.permit(ids, {loopback(), true, {}});
    relay.bindChannel(ids, {0x4000, boundAddress(peer)});
    if (ids > 3) relay.closeRelay(ids - 3, 0);
  }

  void send(int from, const Address& to, const uint8_t* bytes, size_t length) {
    sockaddr_storage name;
    const socklen_t nameBytes = toSocket(to, &name);
    if (sendto(from, bytes, length, 0, reinterpret_cast<sockaddr*>(&name), nameBytes) < 0) return;
  }

  void feed() {
    uint8_t packet[60] = {0x40, 0x00, 0x00, 56};
    for (int count = 0; count < 16; count++) send(client, bound, packet, sizeof packet);
    const uint8_t request[20] = {0, 3, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    send(client, bound, request, sizeof request);
    for (int count = 0; count < 32; count++) {
      uint8_t bytes[2048];
      sockaddr_storage name;
      socklen_t nameBytes = sizeof name;
      const ssize_t got = recvfrom(peer, bytes, sizeof bytes, MSG_DONTWAIT, reinterpret_cast<sockaddr*>(&name), &nameBytes);
      if (got < 0) break;
      send(peer, fromSocket(name), bytes, static_cast<size_t>(got));
      carried += 1;
    }
    uint8_t drained[2048];
    while (recv(client, drained, sizeof drained, MSG_DONTWAIT) > 0) back += 1;
  }

  void disturb() {
    switch (random(8)) {
      case 0:
        return open();
      case 1:
        return relay.setClient(ids, {random(3) == 0 ? 0 : listener, boundAddress(client)});
      case 2:
        relay.forbid(ids, loopback());
        return relay.permit(ids, {loopback(), false, {{1, 65535}}});
      case 3:
        relay.unbindChannel(ids, 0x4000);
        return relay.bindChannel(ids, {static_cast<uint16_t>(0x4000 + random(2)), boundAddress(peer)});
      case 4: {
        const uint8_t data[8] = {0x40, 0x00, 0x00, 4, 1, 2, 3, 4};
        relay.fromStream(ids, data, sizeof data);
        std::vector<double> values;
        relay.counters(ids, &values);
        return;
      }
      case 5:
        relay.sweep();
        relay.drainRecords([](const uint8_t*, size_t) {});
        return;
      default:
        return feed();
    }
  }

  uint64_t carried = 0, back = 0;
};

}  // namespace

int main(int count, char** arguments) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(count > 1 ? std::atoi(arguments[1]) : 5);
  uint64_t carried = 0, back = 0;
  size_t rounds = 0;
  while (std::chrono::steady_clock::now() < end) {
    Soak soak;
    if (!soak.relay.start()) return 1;
    soak.begin();
    soak.open();
    for (int step = 0; step < 2000; step++) soak.disturb();
    carried += soak.carried;
    back += soak.back;
    if (rounds % 2 == 0) soak.relay.close();
    rounds += 1;
  }
  std::printf("turn-soak: %zu relays, %llu packets to the peer, %llu back\n", rounds,
              static_cast<unsigned long long>(carried), static_cast<unsigned long long>(back));
  return carried > 0 && back > 0 ? 0 : 1;
}
