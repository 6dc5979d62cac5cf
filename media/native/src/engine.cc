// The control path.
#include "engine.h"

#include <algorithm>
#include <cerrno>
#include <stdexcept>

namespace viaduct {
namespace {

constexpr size_t kEventCapacity = 512;
/** A thread that was woken and has not come round for so long is stuck, or the machine is. */
constexpr std::chrono::seconds kStuck{1};

Refusal unknown(const std::string& what, uint32_t handle) {
  return {"unknown-handle", "no " + what + " " + std::to_string(handle) + " in the media engine"};
}

const Refusal kForeign{"wrong-shard", "a flow's ports, links, keys and capture are of one shard"};

/** Marks what leaves by this socket; on a refusal (it may need a privilege) packets go unmarked. */
bool mark(Port& port, uint8_t dscp) {
  if (port.dscp == dscp || port.fd < 0) return false;
  const int value = dscp << 2;  // the upper six bits; the lower two are ECN
  const bool six = port.bound.family == AF_INET6;
  setsockopt(port.fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TCLASS : IP_TOS, &value, sizeof value);
  port.dscp = dscp;
  return true;
}

/** Closes the socket beside a port, which opens again when there is much to send. */
void leaveDirect(Path& path, Port& port) {
  path.outbox.flush(path.now);
  static_cast<PacketPath&>(path).closeDirect(port);
}

}  // namespace

Engine::Worker::Worker(uint32_t number, const std::function<void()>& wake)
    : events(kEventCapacity, wake), path(events, number), shard(path, "viaduct-media") {
  path.receiveWith(shard);
}

Engine::Engine(const Limits& limits, std::function<void()> wake) : limits_(limits) {
  for (uint32_t number = 0; number < std::max(limits.shards, 1u); number++)
    workers_.push_back(std::make_unique<Worker>(number, wake));
}

Engine::~Engine() { close(); }

bool Engine::start() {
  return std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->shard.start(); });
}

bool Engine::revive() {
  bool alive = true;
  for (const auto& worker : workers_) alive = worker->shard.revive() && alive;
  return alive;
}

std::vector<Engine::ShardState> Engine::lookAtShards() {
  std::vector<ShardState> states;
  for (const auto& worker : workers_) {
    const uint64_t rounds = worker->shard.rounds();
    const auto now = std::chrono::steady_clock::now();
    if (rounds != worker->roundsSeen) worker->movedAt = now;
    worker->roundsSeen = rounds;
    states.push_back({rounds, now - worker->movedAt >= kStuck});
    worker->shard.wake();
  }
  return states;
}

void Engine::disturb(uint32_t shard, uint32_t how) {
  if (shard >= workers_.size()) return;
  shardOf(shard).post([how](Path&) {
    if (how == 0) throw std::runtime_error("a test asked for it");
    if (how == 1) pthread_exit(nullptr);
    usleep(how * 1000);
  });
  shardOf(shard).wake();
}

void Engine::setClock(int64_t nowNs) {
  for (const auto& worker : workers_) worker->shard.setClock(nowNs);
}

uint64_t Engine::lostEvents() const {
  uint64_t lost = 0;
  for (const auto& worker : workers_) lost += worker->events.lost();
  return lost;
}

void Engine::close() {
  if (closed_) return;
  closed_ = true;
  for (const auto& worker : workers_) worker->shard.stop();
  flows_.clear();
  portFlows_.clear();
  links_.clear();
  crypto_.clear();
  captures_.clear();
  captureBytes_.clear();
  ports_.clear();
}

Refusal Engine::openPort(const Address& bind, bool trunk, uint32_t shard, uint32_t* id, Address* bound,
                         int* receiveBuffer) {
  if (closed_) return {"closed", "the media engine is closed"};
  if (ports_.size() >= limits_.maxPorts) {
    return {"full", "the media engine has its " + std::to_string(limits_.maxPorts) + " ports"};
  }
  if (shard >= workers_.size()) return unknown("shard", shard);
  int fd = bindUdp(bind, trunk ? limits_.trunkBufferBytes : 0, trunk);
  if (fd < 0 && errno == EADDRINUSE && bind.port != 0) {
    for (const auto& worker : workers_) worker->shard.run([](Path&) {});  // it may be a port closed a moment ago
    fd = bindUdp(bind, trunk ? limits_.trunkBufferBytes : 0, trunk);
  }
  const std::string where = "UDP " + hostText(bind) + ":" + std::to_string(bind.port) + ": ";
  if (fd < 0) return {errno == EADDRINUSE ? "address-in-use" : "bind-failed", where + strerror(errno)};
  auto port = std::make_shared<Port>();
  port->fd = fd;
  port->id = nextId_;
  port->trunk = trunk;
  port->shard = shard;
  if (!trunk) port->direct = std::make_unique<Direct>();
  port->stunPerSecond = limits_.stunPerSecond;
  port->bound = *bound = boundAddress(fd);
  socklen_t optionBytes = sizeof *receiveBuffer;
  getsockopt(fd, SOL_SOCKET, SO_RCVBUF, receiveBuffer, &optionBytes);
  if (!shardOf(shard).watch(port.get())) return {"bind-failed", where + strerror(errno)};
  *id = nextId_++;
  ports_[*id] = std::move(port);
  return {};
}

void Engine::closePort(uint32_t id) {
  const auto entry = ports_.find(id);
  if (entry == ports_.end()) return;
  Shard& shard = shardOf(entry->second->shard);
  shard.forget(entry->second.get());
  shard.post([port = entry->second](Path& path) {
    leaveDirect(path, *port);
    Shard::close(*port);
    port->flow = nullptr;
  });
  shard.settle();
  ports_.erase(entry);
  portFlows_.erase(id);
}

Refusal Engine::movePort(uint32_t id, uint32_t shard) {
  const auto entry = ports_.find(id);
  if (entry == ports_.end() || shard >= workers_.size()) return unknown("port or shard", id);
  const std::shared_ptr<Port> port = entry->second;
  const auto carries = [&](const auto& link) { return link.second.port == id; };
  if (portFlows_.count(id) != 0 || std::any_of(links_.begin(), links_.end(), carries)) {
    return {"input-taken", "a port moves without its flow and links"};
  }
  if (port->shard == shard) return {};
  shardOf(port->shard).post([port](Path& path) { leaveDirect(path, *port); });
  shardOf(port->shard).release(port.get());
  port->shard = shard;
  if (shardOf(shard).watch(port.get())) return {};
  return {"bind-failed", std::string("epoll: ") + strerror(errno)};
}

void Engine::sendStun(uint32_t id, const uint8_t* bytes, size_t length, const Address& to) {
  const auto entry = ports_.find(id);
  if (entry == ports_.end()) return;
  sockaddr_storage address;
  const socklen_t addressBytes = toSocket(to, &address);
  // Lost like any datagram when the socket's buffer is full: the hello is sent again.
  if (sendto(entry->second->fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL, reinterpret_cast<sockaddr*>(&address),
             addressBytes) < 0)
    return;
}

Refusal Engine::addLink(uint32_t portId, const Address& remote, uint32_t* id) {
  const auto port = ports_.find(portId);
  if (port == ports_.end() || !port->second->trunk) return unknown("trunk port", portId);
  if (links_.size() >= limits_.maxLinks) return {"full", "too many media links"};
  auto link = std::make_shared<Link>();
  if (link->channels == nullptr) return {"full", "no memory for a media link"};
  *id = link->id = nextId_++;
  link->port = port->second;
  shardOf(port->second->shard).post([link, remote](Path&) { link->move(remote); });
  links_[*id] = {std::move(link), {}, port->second->shard, portId};
  return {};
}

Refusal Engine::setLinkRemote(uint32_t id, const Address& remote) {
  const auto entry = links_.find(id);
  if (entry == links_.end()) return unknown("link", id);
  shardOf(entry->second.shard).post([link = entry->second.link, remote](Path&) { link->move(remote); });
  return {};
}

Refusal Engine::setLinkPort(uint32_t id, uint32_t portId) {
  const auto entry = links_.find(id);
  if (entry == links_.end()) return unknown("link", id);
  const auto port = ports_.find(portId);
  if (port == ports_.end() || !port->second->trunk) return unknown("trunk port", portId);
  if (port->second->shard != entry->second.shard) return kForeign;
  entry->second.port = portId;
  shardOf(entry->second.shard).post([link = entry->second.link, port = port->second](Path& path) mutable {
    path.outbox.flush(path.now);  // trains of this link that were begun belong to the old port
    const Address remote = link->remote;
    link->move(Address());
    link->port.swap(port);
    link->move(remote);
  });
  return {};
}

void Engine::removeLink(uint32_t id) {
  const auto entry = links_.find(id);
  if (entry == links_.end()) return;
  shardOf(entry->second.shard).post([link = entry->second.link](Path&) { link->move(Address()); });
  links_.erase(entry);
}

const LinkCounters* Engine::linkCounters(uint32_t id) const {
  const auto entry = links_.find(id);
  return entry == links_.end() ? nullptr : &entry->second.link->counters;
}

Refusal Engine::addCrypto(const CryptoSpec& spec, uint32_t* id) {
  std::shared_ptr<SrtpContext> context = SrtpContext::create(spec);
  if (context == nullptr) {
    return {"bad-key", std::string("SRTP: master key or salt of the wrong size for ") + spec.suite->name};
  }
  *id = nextId_++;
  crypto_[*id].object = std::move(context);
  return {};
}

void Engine::removeCrypto(uint32_t id) {
  const auto entry = crypto_.find(id);
  if (entry == crypto_.end()) return;
  // Flows may still hold it; its last owner must not be a change that the shard is about to take over.
  crypto_.erase(entry);
}

bool Engine::cryptoStates(uint32_t id, std::vector<SourceState>* states) {
  const auto entry = crypto_.find(id);
  if (entry == crypto_.end()) return false;
  const auto read = [&](Path&) { *states = entry->second.object->states(); };
  shardOf(entry->second.shard < 0 ? 0 : static_cast<uint32_t>(entry->second.shard)).run(read);
  return true;
}

Refusal Engine::openCapture(size_t packets, size_t snapBytes, uint32_t* id) {
  size_t bytes = packets * snapBytes;
  if (packets == 0 || snapBytes == 0 || packets > limits_.maxCaptureBytes || snapBytes > kMaxDatagramBytes) bytes = SIZE_MAX;
  size_t used = 0;
  for (const auto& [other, own] : captureBytes_) used += own;
  if (bytes > limits_.maxCaptureBytes || used + bytes > limits_.maxCaptureBytes) {
    return {"full", "no room for a capture of this size"};
  }
  *id = nextId_++;
  captures_[*id].object = std::make_shared<Capture>(packets, snapBytes);
  captureBytes_[*id] = bytes;
  return {};
}

void Engine::closeCapture(uint32_t id) {
  captures_.erase(id);
  captureBytes_.erase(id);
}

bool Engine::readCapture(uint32_t id, const std::function<void(const Capture&)>& read) {
  const auto entry = captures_.find(id);
  if (entry == captures_.end()) return false;
  const Held<Capture>& held = entry->second;
  shardOf(held.shard < 0 ? 0 : static_cast<uint32_t>(held.shard)).run([&](Path&) { read(*held.object); });
  return true;
}

/** Makes `held` the shard's, once flows of another one have let go of it. */
template <typename T>
Refusal Engine::hold(Held<T>& held, uint32_t shard) {
  if (held.shard == shard) return {};
  if (held.users > 0) return kForeign;
  if (held.shard >= 0) shardOf(static_cast<uint32_t>(held.shard)).run([](Path&) {});
  held.shard = shard;
  return {};
}

/** Counts flows that use these keys and captures; one that is gone is nobody's. */
void Engine::use(const std::vector<uint32_t>& ids, int by) {
  for (const uint32_t id : ids) {
    const auto key = crypto_.find(id);
    if (key != crypto_.end()) key->second.users += static_cast<uint32_t>(by);
    const auto capture = captures_.find(id);
    if (capture != captures_.end()) capture->second.users += static_cast<uint32_t>(by);
  }
}

Refusal Engine::crypto(uint32_t id, bool protects, uint32_t shard, std::shared_ptr<SrtpContext>* context) {
  const auto entry = crypto_.find(id);
  if (entry == crypto_.end() || entry->second.object->protects() != protects) {
    return unknown(protects ? "protect key" : "unprotect key", id);
  }
  *context = entry->second.object;
  return hold(entry->second, shard);
}

Refusal Engine::resolve(const OutputSpec& spec, uint32_t shard, Output* output) {
  *output = Output();
  output->dscp = spec.dscp;
  if (spec.link != 0) {
    const auto link = links_.find(spec.link);
    if (link == links_.end()) return unknown("link", spec.link);
    if (link->second.shard != shard) return kForeign;
    output->link = link->second.link;
    output->channel = static_cast<uint16_t>(spec.channel);
  } else if (spec.port != 0) {
    const auto port = ports_.find(spec.port);
    if (port == ports_.end()) return unknown("port", spec.port);
    if (port->second->shard != shard) return kForeign;
    output->port = port->second;
    output->remote = spec.remote;
    if (mark(*output->port, spec.dscp))
      shardOf(shard).post([port = output->port](Path& path) { leaveDirect(path, *port); });
  }
  return {};
}

/** `uses` are the ids of keys and capture, in that order: unprotect, protect (0: none), capture (0: none). */
Refusal Engine::apply(const FlowChange& change, uint32_t shard, FlowConfig* config, std::vector<uint32_t>* uses) {
  const size_t keys = uses->size() < 2 ? 0 : uses->size() - 2;
  uint32_t protect = uses->size() < 2 ? 0 : (*uses)[keys], capture = uses->empty() ? 0 : uses->back();
  std::vector<uint32_t> opens(uses->begin(), uses->begin() + static_cast<ptrdiff_t>(keys));
  if (change.hasAccept) {
    config->accept = change.accept;
    config->source = change.source;
  }
  if (change.hasUnprotect) {
    config->unprotect.clear();
    opens = change.unprotect;
    for (const uint32_t id : change.unprotect) {
      std::shared_ptr<SrtpContext> context;
      if (const Refusal refusal = crypto(id, false, shard, &context)) return refusal;
      config->unprotect.push_back(std::move(context));
    }
  }
  if (change.hasProtect) {
    config->protect = nullptr;
    protect = change.protect;
    if (protect != 0)
      if (const Refusal refusal = crypto(protect, true, shard, &config->protect)) return refusal;
  }
  if (change.hasRtp)
    if (const Refusal refusal = resolve(change.rtp, shard, &config->rtp)) return refusal;
  if (change.hasRtcp)
    if (const Refusal refusal = resolve(change.rtcp, shard, &config->rtcp)) return refusal;
  if (change.hasRewrite) config->rewrite = change.rewrite;
  if (change.hasClockRate) config->clockRate = change.clockRate;
  if (change.hasCapture) {
    config->capture = nullptr;
    config->view = change.view;
    capture = change.capture;
    const auto entry = captures_.find(capture);
    if (capture != 0 && entry == captures_.end()) return unknown("capture", capture);
    if (capture != 0) {
      config->capture = entry->second.object;
      if (const Refusal refusal = hold(entry->second, shard)) return refusal;
    }
  }
  *uses = std::move(opens);
  uses->push_back(protect);
  uses->push_back(capture);
  return {};
}

/** The shard on which packets of this input arrive. */
Refusal Engine::home(uint32_t portId, uint32_t linkId, uint32_t* shard) const {
  const auto port = ports_.find(portId);
  const auto link = links_.find(linkId);
  if (portId != 0 && (port == ports_.end() || port->second->trunk)) return unknown("media port", portId);
  if (portId == 0 && link == links_.end()) return unknown("link", linkId);
  *shard = portId != 0 ? port->second->shard : link->second.shard;
  return {};
}

Refusal Engine::addFlow(const FlowSpec& spec, uint32_t* id) {
  if (flows_.size() >= limits_.maxFlows) return {"full", "too many media flows"};
  auto config = std::make_shared<FlowConfig>();
  std::vector<uint32_t> uses;
  uint32_t shard = 0;
  if (const Refusal refusal = home(spec.port, spec.link, &shard)) return refusal;
  if (const Refusal refusal = apply(spec.rest, shard, config.get(), &uses)) return refusal;
  auto flow = std::make_shared<Flow>();
  if (spec.probes) {
    const auto link = links_.find(spec.probeLink);
    if (link == links_.end()) return unknown("link", spec.probeLink);
    if (link->second.shard != shard) return kForeign;
    flow->probe.reset(new Probe{link->second.link, static_cast<uint16_t>(spec.probeChannel),
                                ProbeTable(spec.probeSources, spec.probesPerSecond)});
  }
  if (const Refusal refusal = occupy(spec, nextId_)) return refusal;
  *id = flow->id = nextId_++;
  flow->opaque = spec.opaque;
  flow->passthrough = spec.passthrough;
  flow->tokened = spec.tokened;
  flow->config = config;
  flow->passedAt = shardOf(shard).now();
  use(uses, 1);
  const auto idleAfterNs = static_cast<int64_t>(spec.idleAfterMs * 1e6);
  flows_[*id] = {flow, spec.port, spec.link, spec.channel, idleAfterNs, 0, std::move(config),
                 shard, std::move(uses)};
  if (spec.port != 0) {
    shardOf(shard).post([flow, port = ports_[spec.port]](Path&) { port->flow = flow.get(); });
  } else {
    shardOf(shard).post([flow, link = links_[spec.link].link, at = spec.channel - kFirstChannel](Path&) {
      link->channels[at] = flow.get();
    });
  }
  return {};
}

Refusal Engine::occupy(const FlowSpec& spec, uint32_t id) {
  const Refusal taken{"input-taken", "another flow has this port or channel"};
  if (spec.port == 0) {
    const auto link = links_.find(spec.link);
    if (link == links_.end()) return unknown("link", spec.link);
    const bool possible = spec.channel >= kFirstChannel && spec.channel <= 0xffff;
    return possible && link->second.channels.insert(spec.channel).second ? Refusal() : taken;
  }
  const auto port = ports_.find(spec.port);
  if (port == ports_.end() || port->second->trunk) return unknown("media port", spec.port);
  return portFlows_.emplace(spec.port, id).second ? Refusal() : taken;
}

Refusal Engine::changeFlow(uint32_t id, const FlowChange& change) {
  const auto entry = flows_.find(id);
  if (entry == flows_.end()) return unknown("flow", id);
  auto config = std::make_shared<FlowConfig>(*entry->second.config);
  Shard& shard = shardOf(entry->second.shard);
  std::vector<uint32_t> uses = entry->second.uses;
  if (const Refusal refusal = apply(change, entry->second.shard, config.get(), &uses)) return refusal;
  use(uses, 1);
  use(entry->second.uses, -1);
  entry->second.uses = std::move(uses);
  entry->second.config = config;
  Flow& flow = *entry->second.flow;
  flow.idle = false;
  flow.passedAt = shard.now();
  shard.post([flow = entry->second.flow, config = std::move(config)](Path&) mutable {
    flow->config.swap(config);
  });
  return {};
}

void Engine::removeFlow(uint32_t id) {
  const auto entry = flows_.find(id);
  if (entry == flows_.end()) return;
  const auto& [flow, portId, linkId, channel, idleAfterNs, told, config, number, uses] = entry->second;
  Shard& shard = shardOf(number);
  use(uses, -1);
  const auto link = links_.find(linkId);
  const auto port = ports_.find(portId);
  if (link != links_.end()) {
    link->second.channels.erase(channel);
    shard.post([flow = flow, link = link->second.link, at = channel - kFirstChannel](Path&) {
      link->channels[at] = nullptr;
    });
  } else if (port != ports_.end()) {
    portFlows_.erase(portId);
    shard.post([flow = flow, port = port->second](Path&) { port->flow = nullptr; });
  } else {
    shard.post([flow = flow](Path&) {});  // its input is gone, but a packet may be on its way through it
  }
  flows_.erase(entry);
}

const FlowCounters* Engine::counters(uint32_t id) const {
  const auto entry = flows_.find(id);
  return entry == flows_.end() ? nullptr : &entry->second.flow->counters;
}

Address Engine::tokenSource(uint32_t id, uint32_t token) {
  const auto entry = flows_.find(id);
  if (entry == flows_.end() || entry->second.flow->probe == nullptr) return Address();
  Address found;
  shardOf(entry->second.shard).run([&](Path&) {
    const Address* source = entry->second.flow->probe->table.source(token);
    if (source != nullptr) found = *source;
  });
  return found;
}

std::vector<Finding> Engine::sweep() {
  for (const auto& worker : workers_) worker->shard.settle();
  std::vector<Finding> findings;
  const int64_t now = workers_[0]->shard.now();
  for (auto& [id, entry] : flows_) {
    Flow& flow = *entry.flow;
    const bool silent = entry.idleAfterNs > 0 && now - flow.passedAt >= entry.idleAfterNs;
    if (silent && !flow.idle.exchange(true)) findings.push_back({id, 0});
    const uint64_t badTags = flow.counters.drops[static_cast<size_t>(Drop::BadTag)].get();
    if (badTags == entry.badTagsTold) continue;
    findings.push_back({id, badTags - entry.badTagsTold});
    entry.badTagsTold = badTags;
  }
  return findings;
}

}  // namespace viaduct
