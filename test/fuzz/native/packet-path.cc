// libFuzzer target of the native packet path, run with AddressSanitizer and UndefinedBehaviorSanitizer. An input is a
// list of records | what | length | bytes … |: datagrams from peers and strangers to a link port and two media ports,
// some of them sealed first so that they get past the tag. Each datagram lies in a buffer of its own exact size, so
// that reading one byte beside it is seen.
#include <sys/socket.h>

#include <cstdlib>
#include <memory>

#include "packet-path.h"

using namespace viaduct;

namespace {

Address at(uint16_t port) {
  Address address;
  parseAddress("127.0.0.1", port, &address);
  return address;
}

std::shared_ptr<SrtpContext> context(bool protects, const char* suite, uint8_t fill, bool mki) {
  const Suite* found = findSuite(suite);
  CryptoSpec spec{protects, found, std::vector<uint8_t>(found->keyBytes, fill),
                  std::vector<uint8_t>(found->saltBytes, fill), std::vector<uint8_t>(mki ? 4 : 0, 0x11), 4, {}};
  return SrtpContext::create(spec);
}

/** Sending fails in every way at once: this socket has no peer and no addresses. What is fuzzed ends before it. */
int deadSocket() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair) != 0) abort();
  close(pair[1]);
  return pair[0];
}

std::shared_ptr<Port> makePort(uint32_t id, bool trunk) {
  auto port = std::make_shared<Port>();
  port->id = id;
  port->fd = deadSocket();
  port->trunk = trunk;
  port->stunPerSecond = 4;
  return port;
}

constexpr const char* kSuites[] = {"AEAD_AES_256_GCM", "AEAD_AES_128_GCM", "AES_CM_128_HMAC_SHA1_80",
                                   "AES_CM_128_HMAC_SHA1_32"};
const Address kPeer = at(1), kClient = at(2), kStranger = at(3);

/** A link, and flows of every kind on its first channels and on two media ports. */
struct World {
  explicit World(const char* suite) : trunk(makePort(1, true)), ports{makePort(2, false), makePort(3, false)} {
    link->id = 4;
    link->port = trunk;
    link->move(kPeer);
    sender = context(true, suite, 1, false);
    const auto opens = [&] { return std::vector{context(false, suite, 9, true), context(false, suite, 1, false)}; };
    auto toLink = [&](uint16_t channel) { return Output{nullptr, {}, link, channel}; };
    auto toClient = [&] { return Output{ports[0], kClient, nullptr, 0}; };
    channel(0, false, {Accept::None, {}, opens(), nullptr, toClient(), toClient()});
    channel(1, true, {Accept::None, {}, opens(), nullptr, toClient(), {}});
    channel(2, false, {Accept::None, {}, opens(), context(true, suite, 2, false), toLink(7), toLink(8)});
    channel(3, false, {Accept::None, {}, {}, nullptr, toLink(9), toLink(9)});
    FlowConfig& changed = *link->channels[3]->config;
    changed.rewrite = std::make_shared<Rewrite>(Rewrite{{{7, 8}, {0x07070707, 9}}, {{0, 96}, {2, 3}}});
    changed.capture = std::make_shared<Capture>(3, 20);
    changed.view = CaptureView::Plain;
    changed.rtp.dscp = 46;
    port(0, false, {Accept::Exact, kClient, {}, context(true, suite, 3, false), toLink(5), toLink(6)});
    port(1, true, {Accept::Host, kClient, {}, nullptr, toLink(6), {}});
  }

  Flow* flow(bool opaque, FlowConfig config) {
    flows.push_back(std::make_unique<Flow>());
    Flow* made = flows.back().get();
    made->id = static_cast<uint32_t>(flows.size());
    made->opaque = opaque;
    made->config = std::make_shared<FlowConfig>(std::move(config));
    return made;
  }
  void channel(uint32_t number, bool tokened, FlowConfig config) {
    link->channels[number] = flow(false, std::move(config));
    link->channels[number]->tokened = tokened;
  }
  void port(size_t number, bool opaque, FlowConfig config) {
    ports[number]->flow = flow(opaque, std::move(config));
    ports[number]->flow->probe.reset(new Probe{link, 0x4009, ProbeTable(2, 3)});
  }

  std::shared_ptr<Port> trunk, ports[2];
  std::shared_ptr<Link> link = std::make_shared<Link>();
  std::shared_ptr<SrtpContext> sender;
  std::vector<std::unique_ptr<Flow>> flows;
};

/** What came in has gone out or was dropped for one reason. */
void checkCounts(const World& world) {
  for (const auto& flow : world.flows) {
    const FlowCounters& counters = flow->counters;
    uint64_t sum = counters.packetsOut.get() + counters.probed.get();
    for (const Counter& drop : counters.drops) sum += drop.get();
    if (flow->probe == nullptr && !flow->tokened && sum != counters.packetsIn.get()) abort();
  }
}

struct Fuzzer {
  Events events{64, [] {}};
  PacketPath path{events, 0};

  void deliver(Port& port, const Address& from, const uint8_t* bytes, size_t length) {
    std::unique_ptr<uint8_t[]> exact(new uint8_t[length]);
    if (length > 0) std::memcpy(exact.get(), bytes, length);
    path.receive(port, exact.get(), length, from);
  }

  /** A record as payload of a packet that the link's flows can open. */
  void deliverSealed(World& world, uint8_t what, const uint8_t* bytes, size_t length) {
    if (length < kRtpHeaderBytes) return;
    std::vector<uint8_t> plain(bytes, bytes + length), wire(8 + length + SrtpContext::kMaxGrowth);
    plain[0] = static_cast<uint8_t>(0x80 | (plain[0] & 0x3f));
    const uint32_t channel = what >> 4 & 3;
    const size_t head = kChannelHeaderBytes + (channel == 1 ? kTokenBytes : 0);
    const Kind kind = packetKind(plain.data(), length);
    const Outcome sealed = kind == Kind::Rtcp ? world.sender->protectRtcp(plain.data(), length, wire.data() + head)
                                              : world.sender->protectRtp(plain.data(), length, wire.data() + head);
    if (!sealed.ok) return;
    write16(wire.data(), kFirstChannel + channel);
    write16(wire.data() + 2, static_cast<uint32_t>(head - kChannelHeaderBytes + sealed.length));
    deliver(*world.trunk, kPeer, wire.data(), head + sealed.length);
  }

  void record(World& world, uint8_t what, const uint8_t* bytes, size_t length) {
    switch (what & 7) {
      case 0:
        return deliver(*world.trunk, kPeer, bytes, length);
      case 1:
        return deliver(*world.trunk, kStranger, bytes, length);
      case 2:
      case 3:
        return deliver(*world.ports[what & 1], kClient, bytes, length);
      case 4:
        return deliver(*world.ports[what >> 3 & 1], kStranger, bytes, length);
      case 5:
        return deliverSealed(world, what, bytes, length);
      case 6:
        path.now += int64_t{what} * 10'000'000;
        for (const auto& flow : world.flows) flow->idle = true;
        return;
      default:
        return path.outbox.flush(path.now);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Fuzzer fuzzer;
  if (size < 1) return 0;
  World world(kSuites[data[0] % 4]);
  for (size_t at = 1; at + 3 <= size;) {
    const uint8_t what = data[at];
    const size_t length = std::min<size_t>(read16(data + at + 1), size - at - 3);
    fuzzer.record(world, what, data + at + 3, length);
    at += 3 + length;
  }
  checkCounts(world);
  fuzzer.path.outbox.flush(fuzzer.path.now);
  fuzzer.events.drain([](const Event&) {});
  return 0;
}
