// The data path of TURN. Steps are in the order in which a packet meets them.
#include "turn-path.h"

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sys/random.h>

#include <cerrno>

namespace viaduct {
namespace {

/** Packets to one peer from which on he gets a socket of his own, and how many such sockets there may be. */
constexpr uint32_t kMuch = 64;
constexpr size_t kMaxDirects = 1024;
/** ICMP errors of one socket that are read in one round; the rest waits for the next. */
constexpr int kIcmpPerRound = 16;
constexpr uint8_t kFragmentationNeeded = 4, kUnreachable = 3, kPacketTooBig6 = 2;

bool linkLocal(const Address& address) {
  return address.family == AF_INET6 && address.ip[0] == 0xfe && (address.ip[1] & 0xc0) == 0x80;
}

/** ICMP messages that a client may hear of: errors about a packet on its way (§11.5). */
bool isError(const Address& peer, uint8_t type) {
  return peer.family == AF_INET ? type == 3 || type == 11 || type == 12 : type >= 1 && type <= 4;
}

void frame(uint8_t* at, uint16_t channel, size_t length) {
  write16(at, channel);
  write16(at + 2, static_cast<uint32_t>(length));
}

}  // namespace

void asRelay(TurnSocket& socket, bool six) {
  constexpr int kOn = 1;
  const int level = six ? IPPROTO_IPV6 : IPPROTO_IP, without = six ? IPV6_PMTUDISC_DONT : IP_PMTUDISC_DONT;
  setsockopt(socket.fd, level, six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &without, sizeof without);
  socket.hasErrorQueue = setsockopt(socket.fd, level, six ? IPV6_RECVERR : IP_RECVERR, &kOn, sizeof kOn) == 0;
}

uint64_t randomSeed() {
  uint64_t seed = 0;
  while (getrandom(&seed, sizeof seed, 0) != sizeof seed) continue;
  return seed;
}

TurnPath::TurnPath(const TurnLimits& limits, Upward& upward)
    : clients(limits.maxRelays, randomSeed()), limits_(limits), upward_(upward) {
  for (const uint32_t type : limits_.knownAttributes)
    if (type < known_.size()) known_.set(type);
}

void TurnPath::receive(Socket& socket, const uint8_t* bytes, size_t length, const Address& source) {
  // Nobody can answer port 0, which only a forged packet has.
  if (source.port == 0) return;
  auto& turn = static_cast<TurnSocket&>(socket);
  if (turn.listens) return fromListener(turn, bytes, length, source);
  if (turn.allocation != nullptr) fromPeer(turn, bytes, length, source);
}

void TurnPath::failed(Socket& socket, int error) {
  const bool listens = static_cast<TurnSocket&>(socket).listens;
  if (upward_.tell(Lane::Clients, Upcall::Failure, listens ? 1 : 0, static_cast<uint32_t>(error), Address(), 0))
    upward_.told(Lane::Clients);
}

void TurnPath::fromListener(TurnSocket& listener, const uint8_t* bytes, size_t length, const Address& source) {
  if (looksLikeChannelData(bytes, length) || isSendIndication(bytes, length)) {
    Allocation* allocation = clients.find(listener, source);
    if (allocation != nullptr) return fromClient(*allocation, bytes, length);
    return strays[static_cast<size_t>(Stray::NoAllocation)].add(1);
  }
  if (!looksLikeStun(bytes, length)) return strays[static_cast<size_t>(Stray::NotTurn)].add(1);
  // A source that is one only together with an interface's name cannot be told in a STUN answer.
  if (linkLocal(source)) return strays[static_cast<size_t>(Stray::LinkLocal)].add(1);
  control(listener, bytes, length, source);
}

/** A client's requests go before those of strangers, until there are more of them than any client has need of. */
void TurnPath::control(TurnSocket& listener, const uint8_t* bytes, size_t length, const Address& source) {
  Allocation* allocation = clients.find(listener, source);
  Lane lane = Lane::Strangers;
  if (allocation != nullptr) {
    if (now / kSecond != allocation->controlSecond) allocation->controls = 0;
    allocation->controlSecond = now / kSecond;
    if (allocation->controls < limits_.controlsPerSecond) {
      allocation->controls += 1;
      lane = Lane::Clients;
    }
  }
  uint8_t* record = upward_.tell(lane, Upcall::Control, listener.id, 0, source, length);
  if (record == nullptr) return;
  std::memcpy(record, bytes, length);
  upward_.told(lane);
}

void TurnPath::fromClient(Allocation& allocation, const uint8_t* bytes, size_t length) {
  RelayCounters& counters = allocation.counters;
  Outbound out;
  const RelayDrop verdict = allocation.peers->toPeer(bytes, length, known_, limits_.own, &out);
  if (verdict != RelayDrop::None) return counters.dropped(verdict).add(1);
  TurnSocket* relay = (out.to.family == AF_INET ? allocation.four : allocation.six).get();
  if (relay == nullptr || relay->fd < 0) return counters.dropped(RelayDrop::NoRelay).add(1);
  counters.packetsFromClient.add(1);
  counters.bytesFromClient.add(out.length);
  Counter& failed = counters.dropped(RelayDrop::SocketError);
  if (out.dontFragment) return sendUnfragmented(*relay, out, failed);
  std::memcpy(outbox.room(), out.payload, out.length);
  outbox.sendTrain(socketFor(allocation, *relay, out), out.to, out.length, {nullptr, &failed}, &out.way->train, false);
}

TurnSocket& TurnPath::socketFor(Allocation& allocation, TurnSocket& relay, const Outbound& out) {
  for (Direct& direct : allocation.directs)
    if (direct.fd >= 0 && direct.peer == out.to) return direct;
  if (++out.way->packets == kMuch) openDirect(allocation, relay, out.to);
  return relay;
}

void TurnPath::openDirect(Allocation& allocation, TurnSocket& relay, const Address& peer) {
  static constexpr uint8_t kAny[16] = {};
  // At a wildcard the way decides the source of each packet; a connected socket would keep that of today.
  if (directs_ >= kMaxDirects || std::memcmp(relay.bound.ip, kAny, sizeof kAny) == 0) return;
  for (Direct& direct : allocation.directs) {
    if (direct.fd >= 0) continue;
    direct.fd = connectBeside(relay, peer, limits_.relayBufferBytes);
    if (direct.fd < 0) return;
    direct.peer = peer;
    direct.bound = relay.bound;
    direct.connected = true;
    direct.allocation = &allocation;
    asRelay(direct, peer.family == AF_INET6);
    if (shard_ != nullptr && shard_->watchHere(&direct)) {
      directs_ += 1;
    } else {
      Shard::close(direct);
    }
    return;
  }
}

void TurnPath::closeDirects(Allocation& allocation, uint16_t family) {
  for (Direct& direct : allocation.directs) {
    if (direct.fd < 0 || direct.peer.family != family) continue;
    Shard::close(direct);
    directs_ -= 1;
  }
}

void TurnPath::died(const char*) noexcept {
  died_.store(true);
  if (upward_.tell(Lane::Clients, Upcall::Failure, 2, 0, Address(), 0)) upward_.told(Lane::Clients);
  upward_.roundEnds();
}

void TurnPath::sendUnfragmented(TurnSocket& relay, const Outbound& out, Counter& failed) {
  outbox.flush(now);
  const bool six = out.to.family == AF_INET6;
  const int level = six ? IPPROTO_IPV6 : IPPROTO_IP, option = six ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER;
  const int with = six ? IPV6_PMTUDISC_PROBE : IP_PMTUDISC_PROBE, without = six ? IPV6_PMTUDISC_DONT : IP_PMTUDISC_DONT;
  sockaddr_storage to;
  const socklen_t toBytes = toSocket(out.to, &to);
  const auto* name = reinterpret_cast<const sockaddr*>(&to);
  const auto send = [&] {
    return sendto(relay.fd, out.payload, out.length, MSG_DONTWAIT | MSG_NOSIGNAL, name, toBytes) >= 0;
  };
  setsockopt(relay.fd, level, option, &with, sizeof with);
  // Tried again because an ICMP error of an earlier packet fails one send.
  if (!send() && (errno == EMSGSIZE || !send())) failed.add(1);
  setsockopt(relay.fd, level, option, &without, sizeof without);
}

void TurnPath::fromPeer(TurnSocket& relay, const uint8_t* bytes, size_t length, const Address& source) {
  Allocation& allocation = *relay.allocation;
  const Address peer = announcedOf(source, limits_.own);
  uint16_t channel;
  const RelayDrop verdict = allocation.peers->fromPeer(peer, &channel);
  if (verdict != RelayDrop::None) return allocation.counters.dropped(verdict).add(1);
  if (channel == 0 && length > kMaxDataBytes) return allocation.counters.dropped(RelayDrop::Malformed).add(1);
  if (allocation.client.listener == nullptr) return toStream(allocation, bytes, length, peer, channel);
  uint8_t* out = outbox.room();
  if (channel == 0) {
    std::memcpy(beginDataIndication(out, transactionId(), peer, length), bytes, length);
    return toClient(allocation, dataIndicationBytes(peer, length), length);
  }
  frame(out, channel, length);
  std::memcpy(out + kChannelHeaderBytes, bytes, length);
  toClient(allocation, kChannelHeaderBytes + length, length);
}

/** Sends what lies at the outbox's room. */
void TurnPath::toClient(Allocation& allocation, size_t bytes, size_t payload) {
  RelayCounters& counters = allocation.counters;
  counters.packetsFromPeers.add(1);
  counters.bytesFromPeers.add(payload);
  const Account account{&counters.packetsFromPeers, &counters.dropped(RelayDrop::SocketError)};
  const ClientEnd& client = allocation.client;
  outbox.sendTrain(*client.listener, client.remote, bytes, account, &allocation.train, false);
}

/** Streams belong to JavaScript: it gets the message as it goes out, ChannelData padded (§12.5). */
void TurnPath::toStream(Allocation& allocation, const uint8_t* bytes, size_t length, const Address& peer,
                        uint16_t channel) {
  const size_t padded = kChannelHeaderBytes + ((length + 3) & ~size_t{3});
  const size_t total = channel == 0 ? dataIndicationBytes(peer, length) : padded;
  const auto payload = static_cast<uint32_t>(length);
  uint8_t* out = upward_.tell(Lane::Streams, Upcall::Data, allocation.id, payload, Address(), total);
  if (out == nullptr) return allocation.counters.dropped(RelayDrop::ClientSlow).add(1);
  if (channel == 0) {
    std::memcpy(beginDataIndication(out, transactionId(), peer, length), bytes, length);
  } else {
    frame(out, channel, length);
    std::memcpy(out + kChannelHeaderBytes, bytes, length);
    std::memset(out + kChannelHeaderBytes + length, 0, total - kChannelHeaderBytes - length);
  }
  upward_.told(Lane::Streams);
}

void TurnPath::errorQueue(Socket& socket) {
  auto& relay = static_cast<TurnSocket&>(socket);
  for (int count = 0; count < kIcmpPerRound; count++) {
    sockaddr_storage peer{};
    alignas(cmsghdr) uint8_t control[256];
    uint8_t start[64];
    iovec piece{start, sizeof start};
    msghdr message{};
    message.msg_name = &peer;
    message.msg_namelen = sizeof peer;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    if (recvmsg(relay.fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return;
    if (relay.allocation == nullptr) continue;
    for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
      const bool four = each->cmsg_level == SOL_IP && each->cmsg_type == IP_RECVERR;
      const bool six = each->cmsg_level == SOL_IPV6 && each->cmsg_type == IPV6_RECVERR;
      if (!four && !six) continue;
      sock_extended_err error;
      std::memcpy(&error, CMSG_DATA(each), sizeof error);
      const Address to = announcedOf(fromSocket(peer), limits_.own);
      // Our own interface is the first router of a path: what it cannot send whole it says like any other.
      if (error.ee_origin == SO_EE_ORIGIN_LOCAL && error.ee_errno == EMSGSIZE) {
        icmp(*relay.allocation, to, six ? kPacketTooBig6 : kUnreachable, six ? 0 : kFragmentationNeeded, error.ee_info);
      } else if (error.ee_origin == SO_EE_ORIGIN_ICMP || error.ee_origin == SO_EE_ORIGIN_ICMP6) {
        icmp(*relay.allocation, to, error.ee_type, error.ee_code, error.ee_info);
      }
    }
  }
}

/** RFC 8656 §11.5: only errors, and only about packets that a permission let out. */
void TurnPath::icmp(Allocation& allocation, const Address& peer, uint8_t type, uint8_t code, uint32_t data) {
  if (!isError(peer, type) || !allocation.peers->permits(peer)) return;
  uint8_t message[64];
  const bool tooBig = peer.family == AF_INET ? type == kUnreachable && code == kFragmentationNeeded : type == kPacketTooBig6;
  const size_t length = printIcmpIndication(message, transactionId(), peer, type, code, tooBig ? data : 0);
  if (allocation.client.listener != nullptr) {
    std::memcpy(outbox.room(), message, length);
    const ClientEnd& client = allocation.client;
    return outbox.sendTo(*client.listener, client.remote, length, {});
  }
  uint8_t* out = upward_.tell(Lane::Streams, Upcall::Data, allocation.id, 0, Address(), length);
  if (out == nullptr) return allocation.counters.dropped(RelayDrop::ClientSlow).add(1);
  std::memcpy(out, message, length);
  upward_.told(Lane::Streams);
}

const uint8_t* TurnPath::transactionId() {
  if (nextId_ == sizeof ids_) {
    for (size_t have = 0; have < sizeof ids_;) {
      const ssize_t got = getrandom(ids_ + have, sizeof ids_ - have, 0);
      if (got > 0) have += static_cast<size_t>(got);
    }
    nextId_ = 0;
  }
  nextId_ += kTransactionIdBytes;
  return ids_ + nextId_ - kTransactionIdBytes;
}

}  // namespace viaduct
