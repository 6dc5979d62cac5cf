// The whole native engine for a few seconds with packets going round on loopback while flows, keys, links and ports
// come and go under them; built once with ThreadSanitizer, once with AddressSanitizer. Argument: seconds.
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "engine.h"

using namespace viaduct;

namespace {

void must(const Refusal& refusal) {
  if (!refusal) return;
  std::fprintf(stderr, "soak: %s: %s\n", refusal.code.c_str(), refusal.text.c_str());
  std::exit(1);
}

struct Opened {
  uint32_t id = 0;
  Address bound;
};

struct Soak {
  Engine engine{Limits{64, 64, 8, 4, 100, 1 << 20, 1 << 20, 2}, [] {}};
  uint32_t randomState = 7;

  uint32_t random(uint32_t limit) {
    randomState = randomState * 1103515245 + 12345;
    return (randomState >> 8) % limit;
  }

  Opened open(bool trunk) {
    Address any;
    parseAddress("127.0.0.1", 0, &any);
    Opened port;
    int buffer = 0;
    must(engine.openPort(any, trunk, 0, &port.id, &port.bound, &buffer));
    return port;
  }

  uint32_t key(bool protects) {
    const CryptoSpec spec{protects, findSuite("AES_CM_128_HMAC_SHA1_80"), std::vector<uint8_t>(16, 1),
                          std::vector<uint8_t>(14, 2), {}, 4, {}};
    uint32_t id = 0;
    must(engine.addCrypto(spec, &id));
    return id;
  }
};

/** A circle: media port → sealed onto link A → trunk to trunk → opened on link B → back to the media port. */
struct Circle {
  explicit Circle(Soak& soak)
      : soak(soak), media(soak.open(false)), out(soak.open(false)), a(soak.open(true)), b(soak.open(true)),
        seals(soak.key(true)), opens(soak.key(false)) {
    must(soak.engine.addLink(a.id, b.bound, &linkA));
    must(soak.engine.addLink(b.id, a.bound, &linkB));
    FlowSpec up;
    up.port = media.id;
    up.idleAfterMs = 1;
    up.rest.hasAccept = up.rest.hasUnprotect = up.rest.hasProtect = up.rest.hasRtp = true;
    up.rest.accept = Accept::Host;
    up.rest.source = media.bound;
    up.rest.protect = seals;
    up.rest.rtp.link = linkA;
    up.rest.rtp.channel = 0x4000;
    must(soak.engine.addFlow(up, &flowUp));
    FlowSpec down;
    down.link = linkB;
    down.channel = 0x4000;
    down.rest.hasUnprotect = down.rest.hasRtp = true;
    down.rest.unprotect = {opens};
    down.rest.rtp.port = out.id;
    down.rest.rtp.remote = media.bound;
    must(soak.engine.addFlow(down, &flowDown));
  }

  void feed() {
    uint8_t packet[60] = {0x80};
    for (int count = 0; count < 16; count++) {
      write16(packet + 2, sequence++);
      soak.engine.sendStun(a.id, packet, sizeof packet, media.bound);
    }
  }

  Soak& soak;
  Opened media, out, a, b;
  uint32_t seals, opens, linkA = 0, linkB = 0, flowUp = 0, flowDown = 0;
  uint16_t sequence = 0;
};

void disturb(Soak& soak, Circle& circle) {
  switch (soak.random(12)) {
    case 0: {
      FlowChange change;
      change.hasUnprotect = true;
      const uint32_t fresh = soak.key(false);
      change.unprotect = {fresh, circle.opens};
      must(soak.engine.changeFlow(circle.flowDown, change));
      return soak.engine.removeCrypto(fresh);
    }
    case 1: {
      std::vector<SourceState> states;
      if (!soak.engine.cryptoStates(circle.seals, &states)) std::exit(1);
      return;
    }
    case 2:
      must(soak.engine.setLinkRemote(circle.linkA, Address()));
      return must(soak.engine.setLinkRemote(circle.linkA, circle.b.bound));
    case 3: {
      const Opened port = soak.open(soak.random(2) == 0);
      return soak.engine.closePort(port.id);
    }
    case 4: {
      const Opened trunk = soak.open(true);
      must(soak.engine.setLinkPort(circle.linkA, trunk.id));
      must(soak.engine.setLinkPort(circle.linkA, circle.a.id));
      return soak.engine.closePort(trunk.id);
    }
    case 5:
      soak.engine.sweep();
      soak.engine.lookAtShards();
      return soak.engine.drainEvents([](const Event&) {});
    case 6: {
      uint32_t link = 0;
      must(soak.engine.addLink(circle.a.id, circle.out.bound, &link));
      return soak.engine.removeLink(link);
    }
    case 7: {
      FlowChange change;
      change.hasCapture = change.hasRewrite = change.hasClockRate = true;
      must(soak.engine.openCapture(16, 100, &change.capture));
      change.view = CaptureView::Plain;
      change.rewrite = std::make_shared<Rewrite>(Rewrite{{{0, 7}}, {{0, 8}}});
      change.clockRate = 90000;
      must(soak.engine.changeFlow(circle.flowDown, change));
      const uint32_t capture = change.capture;
      if (!soak.engine.readCapture(capture, [](const Capture&) {})) std::exit(1);
      change.capture = 0;
      must(soak.engine.changeFlow(circle.flowDown, change));
      return soak.engine.closeCapture(capture);
    }
    case 8:
      soak.engine.disturb(soak.random(2), soak.random(2));
      return;
    case 9: {
      const Opened port = soak.open(false);
      must(soak.engine.movePort(port.id, 1));
      must(soak.engine.movePort(port.id, 0));
      return soak.engine.closePort(port.id);
    }
    default:
      return circle.feed();
  }
}

}  // namespace

int main(int count, char** arguments) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(count > 1 ? std::atoi(arguments[1]) : 5);
  uint64_t carried = 0;
  size_t rounds = 0;
  while (std::chrono::steady_clock::now() < end) {
    Soak soak;
    if (!soak.engine.start()) return 1;
    if (rounds % 3 == 0) soak.engine.disturb(0, 0);  // it dies before it has begun, or is dead at the end
    Circle circle(soak);
    for (int step = 0; step < 400; step++) disturb(soak, circle);
    carried += soak.engine.counters(circle.flowDown)->packetsOut.get();
    if (rounds % 2 == 0) soak.engine.close();
    rounds += 1;
  }
  std::printf("soak: %zu engines, %llu packets carried\n", rounds, static_cast<unsigned long long>(carried));
  return carried > 0 ? 0 : 1;
}
