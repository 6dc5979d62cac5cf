// The control path.
#include "relay.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace viaduct {
namespace {

TurnPath& turn(Path& path) { return static_cast<TurnPath&>(path); }

}  // namespace

Relay::Relay(const TurnLimits& limits, std::function<void()> wake)
    : limits_(limits), upward_(std::move(wake)), path_(limits_, upward_) {
  path_.receiveWith(shard_);
}

Relay::~Relay() { close(); }

void Relay::close() {
  if (closed_) return;
  closed_ = true;
  shard_.stop();
  allocations_.clear();
  listeners_.clear();
}

Refusal Relay::openSocket(const Address& bind, bool listens, std::shared_ptr<TurnSocket>* out) {
  const uint32_t buffer = listens ? limits_.listenerBufferBytes : limits_.relayBufferBytes;
  int fd = bindUdp(bind, buffer, true);
  if (fd < 0 && errno == EADDRINUSE && bind.port != 0) {
    shard_.run([](Path&) {});  // it may be a port that was closed a moment ago
    fd = bindUdp(bind, buffer, true);
  }
  const std::string where = "UDP " + hostText(bind) + ":" + std::to_string(bind.port) + ": ";
  if (fd < 0) return {errno == EADDRINUSE ? "address-in-use" : "bind-failed", where + strerror(errno)};
  auto socket = std::make_shared<TurnSocket>();
  socket->fd = fd;
  socket->bound = boundAddress(fd);
  socket->listens = listens;
  if (!listens) asRelay(*socket, bind.family == AF_INET6);
  *out = std::move(socket);
  return {};
}

Refusal Relay::openListener(const Address& bind, uint32_t* id, Address* bound, int* receiveBuffer) {
  if (closed_) return {"closed", "the relay is closed"};
  std::shared_ptr<TurnSocket> socket;
  if (Refusal refusal = openSocket(bind, true, &socket)) return refusal;
  *id = socket->id = nextListener_++;
  *bound = socket->bound;
  socklen_t optionBytes = sizeof *receiveBuffer;
  getsockopt(socket->fd, SOL_SOCKET, SO_RCVBUF, receiveBuffer, &optionBytes);
  if (!shard_.watch(socket.get())) return {"bind-failed", std::string("listener: ") + strerror(errno)};
  listeners_[*id] = std::move(socket);
  return {};
}

void Relay::sendControl(uint32_t id, const uint8_t* bytes, size_t length, const Address& to) {
  const auto entry = listeners_.find(id);
  if (entry == listeners_.end() || to.port == 0) return;
  sockaddr_storage address;
  const socklen_t addressBytes = toSocket(to, &address);
  const auto* name = reinterpret_cast<const sockaddr*>(&address);
  // Lost like any datagram when the socket's buffer is full: the client asks again.
  if (sendto(entry->second->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, name, addressBytes) < 0) return;
}

ClientEnd Relay::clientEnd(const ClientSpec& spec) const {
  const auto listener = listeners_.find(spec.listener);
  return listener == listeners_.end() ? ClientEnd() : ClientEnd{listener->second, spec.remote};
}

Refusal Relay::open(uint32_t id, const ClientSpec& client, const std::vector<Address>& relays) {
  if (closed_) return {"closed", "the relay is closed"};
  if (allocations_.size() >= limits_.maxRelays) return {"bind-failed", "the relay has all its allocations"};
  if (allocations_.count(id) != 0) return {"bind-failed", "an allocation of that number is open"};
  Entry entry;
  entry.allocation = std::make_shared<Allocation>();
  entry.allocation->id = id;
  entry.allocation->client = clientEnd(client);
  entry.peers = entry.allocation->peers;
  for (const Address& bind : relays) {
    auto& socket = bind.family == AF_INET ? entry.four : entry.six;
    if (Refusal refusal = openSocket(bind, false, &socket)) return refusal;
    socket->allocation = entry.allocation.get();
  }
  entry.allocation->four = entry.four;
  entry.allocation->six = entry.six;
  // The command goes before the first packet: the thread looks at commands between receiving and processing.
  shard_.post([allocation = entry.allocation](Path& path) { turn(path).clients.add(*allocation); });
  const auto watched = [&](const std::shared_ptr<TurnSocket>& socket) {
    return socket == nullptr || shard_.watch(socket.get());
  };
  const bool all = watched(entry.four) && watched(entry.six);
  const std::string why = all ? "" : std::string("relay: ") + strerror(errno);
  allocations_[id] = std::move(entry);
  if (all) return {};
  closeRelay(id, 0);
  return {"bind-failed", why};
}

void Relay::setClient(uint32_t id, const ClientSpec& client) {
  const auto entry = allocations_.find(id);
  if (entry == allocations_.end()) return;
  shard_.post([allocation = entry->second.allocation, end = clientEnd(client)](Path& path) mutable {
    path.outbox.flush(path.now);  // what was begun goes to where the client was
    turn(path).clients.remove(*allocation);
    std::swap(allocation->client, end);
    turn(path).clients.add(*allocation);
  });
}

void Relay::setPeers(Entry& entry, std::vector<Permission> permissions, std::vector<Channel> channels) {
  entry.peers = std::make_shared<const Peers>(std::move(permissions), std::move(channels), limits_.own);
  shard_.post([allocation = entry.allocation, peers = entry.peers](Path&) mutable { allocation->peers.swap(peers); });
}

void Relay::permit(uint32_t id, const Permission& permission) {
  const auto entry = allocations_.find(id);
  if (entry == allocations_.end()) return;
  std::vector<Permission> permissions = entry->second.peers->permissions();
  const auto known = std::find_if(permissions.begin(), permissions.end(),
                                  [&](const Permission& each) { return each.host == permission.host; });
  if (known == permissions.end()) {
    permissions.push_back(permission);
  } else {
    *known = permission;
  }
  setPeers(entry->second, std::move(permissions), entry->second.peers->channels());
}

void Relay::forbid(uint32_t id, const Address& host) {
  const auto entry = allocations_.find(id);
  if (entry == allocations_.end()) return;
  std::vector<Permission> permissions = entry->second.peers->permissions();
  permissions.erase(std::remove_if(permissions.begin(), permissions.end(),
                                   [&](const Permission& each) { return each.host == host; }),
                    permissions.end());
  setPeers(entry->second, std::move(permissions), entry->second.peers->channels());
}

void Relay::bindChannel(uint32_t id, const Channel& channel) {
  const auto entry = allocations_.find(id);
  if (entry == allocations_.end()) return;
  std::vector<Channel> channels = entry->second.peers->channels();
  channels.erase(std::remove_if(channels.begin(), channels.end(),
                                [&](const Channel& each) {
                                  return each.number == channel.number || each.peer == channel.peer;
                                }),
                 channels.end());
  channels.push_back(channel);
  setPeers(entry->second, entry->second.peers->permissions(), std::move(channels));
}

void Relay::unbindChannel(uint32_t id, uint16_t number) {
  const auto entry = allocations_.find(id);
  if (entry == allocations_.end()) return;
  std::vector<Channel> channels = entry->second.peers->channels();
  channels.erase(std::remove_if(channels.begin(), channels.end(),
                                [&](const Channel& each) { return each.number == number; }),
                 channels.end());
  setPeers(entry->second, entry->second.peers->permissions(), std::move(channels));
}

/** Sent from this thread: nothing of it waits for the other. */
bool Relay::fromStream(uint32_t id, const uint8_t* bytes, size_t length) {
  const auto found = allocations_.find(id);
  if (found == allocations_.end()) return false;
  Entry& entry = found->second;
  RelayCounters& counters = entry.allocation->streamCounters;
  Outbound out;
  const RelayDrop verdict = entry.peers->toPeer(bytes, length, path_.known(), limits_.own, &out);
  if (verdict != RelayDrop::None) return counters.dropped(verdict).add(1), true;
  const std::shared_ptr<TurnSocket>& relay = out.to.family == AF_INET ? entry.four : entry.six;
  if (relay == nullptr) return counters.dropped(RelayDrop::NoRelay).add(1), true;
  counters.packetsFromClient.add(1);
  counters.bytesFromClient.add(out.length);
  if (out.dontFragment) {
    // DF is a property of the socket: switched by the thread that sends everything else.
    std::vector<uint8_t> payload(out.payload, out.payload + out.length);
    shard_.post([allocation = entry.allocation, relay, payload = std::move(payload), out](Path& path) mutable {
      out.payload = payload.data();
      if (relay->fd < 0) return;
      turn(path).sendUnfragmented(*relay, out, allocation->counters.dropped(RelayDrop::SocketError));
    });
    shard_.settle();
    return true;
  }
  sockaddr_storage to;
  const socklen_t toBytes = toSocket(out.to, &to);
  const auto* name = reinterpret_cast<const sockaddr*>(&to);
  const auto send = [&] { return sendto(relay->fd, out.payload, out.length, MSG_DONTWAIT | MSG_NOSIGNAL, name, toBytes); };
  // Tried again because an ICMP error of an earlier packet fails one send.
  if (send() < 0 && (errno == EAGAIN || errno == EMSGSIZE || send() < 0))
    counters.dropped(RelayDrop::SocketError).add(1);
  return true;
}

void Relay::closeSocket(const std::shared_ptr<Allocation>& allocation, std::shared_ptr<TurnSocket>& socket) {
  if (socket == nullptr) return;
  shard_.forget(socket.get());
  shard_.post([allocation, socket](Path& path) {
    turn(path).closeDirects(*allocation, socket->bound.family);
    Shard::close(*socket);
    socket->allocation = nullptr;
  });
  socket = nullptr;
}

void Relay::disturb(uint32_t how) {
  shard_.post([how](Path&) {
    if (how == 0) throw std::runtime_error("a test asked for it");
    pthread_exit(nullptr);
  });
  shard_.settle();
}

/**
 * A dead thread has let go of everything: sockets that only it knew are closed, the others go to a new one. Its last words
 * come some instructions before its end; or after it, when a call that waited has had it replaced already.
 */
bool Relay::revive() {
  const bool hasDied = path_.hasDied();
  if (!hasDied && !shard_.dead()) return true;
  for (int tries = 0; tries < 1000 && !shard_.dead(); tries++) std::this_thread::yield();
  std::vector<std::shared_ptr<Allocation>> all;
  for (const auto& [id, entry] : allocations_) all.push_back(entry.allocation);
  const auto closeAll = [all = std::move(all)](Path& path) {
    for (const auto& allocation : all)
      for (const uint16_t family : {AF_INET, AF_INET6}) turn(path).closeDirects(*allocation, family);
  };
  if (shard_.dead()) {
    closeAll(path_);
    return shard_.revive();
  }
  shard_.post(closeAll);
  shard_.settle();
  return true;
}

/** The thread is not woken: it hears of it before the next packet, or by the next sweep. */
void Relay::closeRelay(uint32_t id, int family) {
  const auto found = allocations_.find(id);
  if (found == allocations_.end()) return;
  Entry& entry = found->second;
  if (family != 6) closeSocket(entry.allocation, entry.four);
  if (family != 4) closeSocket(entry.allocation, entry.six);
  if (entry.four == nullptr && entry.six == nullptr) {
    shard_.post([allocation = entry.allocation](Path& path) { turn(path).clients.remove(*allocation); });
    allocations_.erase(found);
  }
}

bool Relay::counters(uint32_t id, std::vector<double>* values) const {
  const auto entry = allocations_.find(id);
  if (entry == allocations_.end()) return false;
  const RelayCounters& a = entry->second.allocation->counters;
  const RelayCounters& b = entry->second.allocation->streamCounters;
  const auto sum = [&](const Counter& x, const Counter& y) {
    values->push_back(static_cast<double>(x.get() + y.get()));
  };
  sum(a.packetsFromClient, b.packetsFromClient);
  sum(a.bytesFromClient, b.bytesFromClient);
  sum(a.packetsFromPeers, b.packetsFromPeers);
  sum(a.bytesFromPeers, b.bytesFromPeers);
  for (size_t at = 0; at < kRelayDrops; at++) sum(a.drops[at], b.drops[at]);
  return true;
}

std::vector<double> Relay::sweep() {
  revive();
  shard_.settle();
  std::vector<double> values;
  for (const Counter& stray : path_.strays) values.push_back(static_cast<double>(stray.get()));
  for (const Lane lane : {Lane::Clients, Lane::Streams, Lane::Strangers})
    values.push_back(static_cast<double>(upward_.lost(lane)));
  return values;
}

}  // namespace viaduct
