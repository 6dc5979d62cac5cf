// The packet path. Steps are in the order in which a packet meets them.
#include "packet-path.h"

#include <cerrno>

namespace viaduct {
namespace {

size_t headroom(const Output& output) { return output.link ? kChannelHeaderBytes : 0; }

/**
 * Packets up to this size share trains with others of their size whatever came between: a stream of small packets has
 * one in a round, so nothing of a stream changes places. Larger ones only follow each other.
 */
constexpr size_t kSmallBytes = 500;

/** So many packets in a row to one address are worth a socket of their own: a second of speech. */
constexpr uint32_t kStreak = 50;
/** Each is a descriptor. */
constexpr size_t kMaxDirects = 16384;

bool leadsSomewhere(const Output& output) { return output.link || output.port; }

void frame(uint8_t* at, uint16_t channel, size_t length) {
  write16(at, channel);
  write16(at + 2, static_cast<uint32_t>(length));
}

}  // namespace

PacketPath::PacketPath(Events& events, uint32_t shard)
    : events_(events),
      shard_(shard),
      plain_(new uint8_t[kMaxDatagramBytes]),
      scratch_(new uint8_t[kMaxDatagramBytes]) {}

void PacketPath::failed(Socket& socket, int error) {
  if (socket.connected && error == ECONNREFUSED) return;  // somebody's ICMP about a packet long gone
  events_.tell(EventType::PortFailed, socket.id, static_cast<uint32_t>(error), Address());
}

void PacketPath::died(const char* why) noexcept {
  const auto* words = reinterpret_cast<const uint8_t*>(why);
  events_.tell(EventType::ShardFailed, shard_, 0, Address(), words, std::strlen(why));
}

void PacketPath::receive(Socket& socket, const uint8_t* bytes, size_t length, const Address& source) {
  Port& port = socket.connected ? *static_cast<Direct&>(socket).port : static_cast<Port&>(socket);
  if (port.trunk) return fromTrunk(port, bytes, length, source);
  if (port.flow != nullptr) fromPort(*port.flow, bytes, length, source);
}

void PacketPath::fromTrunk(Port& port, const uint8_t* bytes, size_t length, const Address& source) {
  if (length > 0 && bytes[0] >= 0x40) {
    Link* link = port.find(source);
    if (link != nullptr) fromLink(*link, bytes, length);
  } else if (looksLikeStun(bytes, length) && port.admitStun(source, now)) {
    events_.tell(EventType::Stun, port.id, 0, source, bytes, length);
  }
}

/** | channel, 16 bits | length, 16 bits | packet … */
void PacketPath::fromLink(Link& link, const uint8_t* bytes, size_t length) {
  link.counters.packetsIn.add(1);
  if (length < kChannelHeaderBytes || read16(bytes + 2) != length - kChannelHeaderBytes) {
    return link.counters.malformed.add(1);
  }
  Flow* flow = link.channels[read16(bytes) - kFirstChannel];  // fromTrunk has seen that it is 0x4000 or more
  if (flow == nullptr) return link.counters.unknownChannel.add(1);
  fromChannel(*flow, bytes + kChannelHeaderBytes, length - kChannelHeaderBytes);
}

void PacketPath::fromChannel(Flow& flow, const uint8_t* bytes, size_t length) {
  if (!flow.tokened) return take(flow, bytes, length, nullptr);
  if (length < kTokenBytes) return flow.counters.drop(Drop::Short);
  const uint32_t token = read32(bytes);
  take(flow, bytes + kTokenBytes, length - kTokenBytes, &token);
}

void PacketPath::fromPort(Flow& flow, const uint8_t* bytes, size_t length, const Address& source) {
  const FlowConfig& config = *flow.config;
  if (config.accept == Accept::Exact && config.source == source) return take(flow, bytes, length, nullptr);
  if (config.accept == Accept::Host && config.source.sameHost(source)) {
    noteSource(flow, source);
    return take(flow, bytes, length, nullptr);
  }
  refuse(flow, bytes, length, source);
}

void PacketPath::noteSource(Flow& flow, const Address& source) {
  if (flow.latest == source || !flow.moves.admit(0, now)) return;
  if (events_.tell(EventType::Source, flow.id, 0, source)) flow.latest = source;
}

void PacketPath::refuse(Flow& flow, const uint8_t* bytes, size_t length, const Address& source) {
  const bool unread = flow.opaque || (flow.passthrough && looksLikeStun(bytes, length));
  const Kind kind = unread ? Kind::Rtp : packetKind(bytes, length);
  if (kind == Kind::Short) return flow.counters.drop(Drop::Short);
  if (kind == Kind::Other) return flow.counters.drop(Drop::NotRtp);
  if (flow.probe == nullptr) return flow.counters.drop(Drop::ForeignSource);
  uint32_t token;
  if (!flow.probe->table.admit(source, now, &token)) return flow.counters.drop(Drop::ProbeRate);
  sendProbe(flow, token, bytes, length);
}

void PacketPath::sendProbe(Flow& flow, uint32_t token, const uint8_t* bytes, size_t length) {
  Link& link = *flow.probe->link;
  const size_t framed = kTokenBytes + length;
  if (!link.remote || link.port->fd < 0 || framed > 0xffff) return flow.counters.drop(Drop::NoDestination);
  uint8_t* out = outbox.room();
  frame(out, flow.probe->channel, framed);
  write32(out + kChannelHeaderBytes, token);
  std::memcpy(out + kChannelHeaderBytes + kTokenBytes, bytes, length);
  sendTo(link, kChannelHeaderBytes + framed, 0);
  link.counters.packetsOut.add(1);
  flow.counters.probed.add(1);
}

void PacketPath::take(Flow& flow, const uint8_t* bytes, size_t length, const uint32_t* token) {
  flow.counters.packetsIn.add(1);
  flow.counters.bytesIn.add(length);
  show(flow, CaptureView::In, bytes, length);
  if (flow.opaque) {
    pass(flow);
    show(flow, CaptureView::Plain, bytes, length);
    const Output& output = flow.config->rtp;
    if (leadsSomewhere(output)) std::memcpy(outbox.room() + headroom(output), bytes, length);
    return send(flow, output, length);
  }
  if (flow.passthrough && looksLikeStun(bytes, length)) return takeStun(flow, bytes, length, token);
  const Kind kind = packetKind(bytes, length);
  if (kind == Kind::Short) return flow.counters.drop(Drop::Short);
  if (kind == Kind::Other) return flow.counters.drop(Drop::NotRtp);
  transform(flow, bytes, length, kind, token);
}

/** Keeps no flow from being idle: ends whose media went another way still check this one. */
void PacketPath::takeStun(Flow& flow, const uint8_t* bytes, size_t length, const uint32_t* token) {
  if (token != nullptr) {
    if (flow.checks.admit(*token, now)) events_.tell(EventType::Check, flow.id, *token, Address(), bytes, length);
    return;
  }
  const Output& output = flow.config->rtp;
  if (!leadsSomewhere(output)) return flow.counters.drop(Drop::NoDestination);
  std::memcpy(outbox.room() + headroom(output), bytes, length);
  send(flow, output, length);
}

/** Never writes into the receive buffer: behind this packet lies the next one of a GRO train. */
void PacketPath::transform(Flow& flow, const uint8_t* bytes, size_t length, Kind kind, const uint32_t* token) {
  const FlowConfig& config = *flow.config;
  const Output& output = kind == Kind::Rtp ? config.rtp : config.rtcp;
  uint8_t* out = outbox.room() + headroom(output);
  const bool seals = config.protect != nullptr && !flow.passthrough;
  if (!config.unprotect.empty()) {
    uint8_t* opened = seals || flow.passthrough ? plain_.get() : out;
    const Outcome outcome = unprotect(config, bytes, length, kind, opened);
    if (!outcome.ok) return flow.counters.drop(outcome.drop);
    if (!flow.passthrough) {
      bytes = opened;
      length = outcome.length;
    }
    pass(flow);
    if (token != nullptr && outcome.newest && flow.proofs.admit(*token, now)) {
      events_.tell(EventType::Proven, flow.id, *token, Address());
    }
  } else {
    pass(flow);
  }
  if (kind == Kind::Rtp) {
    flow.reception.take(bytes, static_cast<double>(now) / 1e6, config.clockRate, flow.counters);
  }
  if (config.rewrite != nullptr && !flow.passthrough) {
    uint8_t* writable = seals ? plain_.get() : out;
    if (bytes != writable) std::memcpy(writable, bytes, length);
    if (kind == Kind::Rtp) {
      config.rewrite->rtp(writable);
    } else {
      config.rewrite->rtcp(writable, length);
    }
    bytes = writable;
  }
  show(flow, CaptureView::Plain, bytes, length);
  if (!leadsSomewhere(output)) return flow.counters.drop(Drop::NoDestination);
  if (seals) {
    const Outcome outcome = kind == Kind::Rtp ? config.protect->protectRtp(bytes, length, out)
                                              : config.protect->protectRtcp(bytes, length, out);
    if (!outcome.ok) return flow.counters.drop(outcome.drop);
    length = outcome.length;
  } else if (bytes != out) {
    std::memcpy(out, bytes, length);
  }
  send(flow, output, length);
}

/** Tries each context; the reason of the first one stands, because later ones hold keys on their way out. */
Outcome PacketPath::unprotect(const FlowConfig& config, const uint8_t* bytes, size_t length, Kind kind,
                              uint8_t* out) {
  Outcome first = Outcome::dropped(Drop::BadTag);
  for (size_t at = 0; at < config.unprotect.size(); at++) {
    SrtpContext& context = *config.unprotect[at];
    const Outcome outcome = kind == Kind::Rtp ? context.unprotectRtp(bytes, length, out, scratch_.get())
                                              : context.unprotectRtcp(bytes, length, out, scratch_.get());
    if (outcome.ok) return outcome;
    if (at == 0) first = outcome;
  }
  return first;
}

void PacketPath::send(Flow& flow, const Output& output, size_t length) {
  if (leadsSomewhere(output)) show(flow, CaptureView::Out, outbox.room() + headroom(output), length);
  if (output.link) {
    Link& link = *output.link;
    if (!link.remote || link.port->fd < 0 || length > 0xffff) return flow.counters.drop(Drop::NoDestination);
    frame(outbox.room(), output.channel, length);
    sendTo(link, kChannelHeaderBytes + length, output.dscp);
    link.counters.packetsOut.add(1);
  } else {
    const bool leads = output.port && output.port->fd >= 0 && output.remote.port != 0;
    if (!leads) return flow.counters.drop(Drop::NoDestination);
    Counter& failed = flow.counters.drops[static_cast<size_t>(Drop::SendFailed)];
    outbox.sendTo(way(*output.port, output.remote), output.remote, length, {&flow.counters.packetsOut, &failed});
  }
  flow.counters.packetsOut.add(1);
}

void PacketPath::sendTo(Link& link, size_t length, uint8_t dscp) {
  const bool small = length <= kSmallBytes;
  // The usual marks (0, AF21, CS3, AF41, EF) of media have each a place of their own, all but AF41 and 0.
  int32_t* open = &link.openTrains[dscp >> 3 & (Link::kMarks - 1)][small ? length % 8 : 8];
  outbox.sendTrain(*link.port, link.remote, length, {&link.counters.packetsOut, nullptr}, open, small, dscp);
}

Socket& PacketPath::way(Port& port, const Address& to) {
  Direct* direct = port.direct.get();
  if (direct == nullptr) return port;
  if (direct->fd >= 0 && direct->peer == to) {
    port.streak = 0;
    return *direct;
  }
  port.streak = port.streakTo == to ? port.streak + 1 : 0;
  port.streakTo = to;
  if (port.streak < kStreak) return port;
  port.streak = 0;
  if (openDirect(port, to)) return *direct;
  return port;
}

bool PacketPath::openDirect(Port& port, const Address& to) {
  if (receiver_ == nullptr) return false;
  outbox.flush(now);  // what is on its way by the former one
  closeDirect(port);
  if (directs_ >= kMaxDirects) return false;
  Direct& direct = *port.direct;
  direct.fd = connectBeside(port, to, 0);
  if (direct.fd < 0) return false;
  direct.id = port.id;
  direct.bound = port.bound;
  direct.port = &port;
  direct.peer = to;
  direct.connected = direct.hasErrorQueue = true;
  const bool six = to.family == AF_INET6;
  const int level = six ? IPPROTO_IPV6 : IPPROTO_IP, type = six ? IPV6_TCLASS : IP_TOS;
  int mark = 0;
  socklen_t bytes = sizeof mark;
  if (getsockopt(port.fd, level, type, &mark, &bytes) == 0) setsockopt(direct.fd, level, type, &mark, sizeof mark);
  directs_ += 1;
  if (receiver_->watchHere(&direct)) return true;
  closeDirect(port);
  return false;
}

void PacketPath::closeDirect(Port& port) {
  if (port.direct == nullptr || port.direct->fd < 0) return;
  Shard::close(*port.direct);
  directs_ -= 1;
}

void PacketPath::watchedAnew(Socket& socket) { closeDirect(static_cast<Port&>(socket)); }

/** For an operator who has asked to see this call. */
void PacketPath::show(const Flow& flow, CaptureView view, const uint8_t* bytes, size_t length) const {
  const FlowConfig& config = *flow.config;
  if (config.capture != nullptr && config.view == view) config.capture->add(flow.id, now, bytes, length);
}

void PacketPath::pass(Flow& flow) {
  flow.passedAt.store(now, std::memory_order_relaxed);
  if (!flow.idle.load(std::memory_order_relaxed)) return;
  if (events_.tell(EventType::Active, flow.id, 0, Address())) flow.idle.store(false, std::memory_order_relaxed);
}

}  // namespace viaduct
