// The control path.
#include "engine.h"

#include <cerrno>

namespace viaduct {
namespace {

constexpr size_t kEventCapacity = 512;

Refusal unknown(const std::string& what, uint32_t handle) {
  return {"unknown-handle", "no " + what + " " + std::to_string(handle) + " in the media engine"};
}

}  // namespace

Engine::Engine(const Limits& limits, std::function<void()> wake)
    : limits_(limits), events_(kEventCapacity, std::move(wake)) {}

Engine::~Engine() { close(); }

void Engine::close() {
  if (closed_) return;
  closed_ = true;
  shard_.stop();
  flows_.clear();
  portFlows_.clear();
  links_.clear();
  crypto_.clear();
  ports_.clear();
}

Refusal Engine::openPort(const Address& bind, bool trunk, uint32_t* id, Address* bound, int* receiveBuffer) {
  if (closed_) return {"closed", "the media engine is closed"};
  if (ports_.size() >= limits_.maxPorts) {
    return {"full", "the media engine has its " + std::to_string(limits_.maxPorts) + " ports"};
  }
  int fd = bindUdp(bind, trunk ? limits_.trunkBufferBytes : 0, trunk);
  if (fd < 0 && errno == EADDRINUSE && bind.port != 0) {
    shard_.run([](Path&) {});  // it may be a port that was closed a moment ago
    fd = bindUdp(bind, trunk ? limits_.trunkBufferBytes : 0, trunk);
  }
  const std::string where = "UDP " + hostText(bind) + ":" + std::to_string(bind.port) + ": ";
  if (fd < 0) return {errno == EADDRINUSE ? "address-in-use" : "bind-failed", where + strerror(errno)};
  auto port = std::make_shared<Port>();
  port->fd = fd;
  port->id = nextId_;
  port->trunk = trunk;
  port->stunPerSecond = limits_.stunPerSecond;
  port->bound = *bound = boundAddress(fd);
  socklen_t optionBytes = sizeof *receiveBuffer;
  getsockopt(fd, SOL_SOCKET, SO_RCVBUF, receiveBuffer, &optionBytes);
  if (!shard_.watch(port.get())) return {"bind-failed", where + strerror(errno)};
  *id = nextId_++;
  ports_[*id] = std::move(port);
  return {};
}

void Engine::closePort(uint32_t id) {
  const auto entry = ports_.find(id);
  if (entry == ports_.end()) return;
  shard_.post([port = entry->second](Path&) {
    Shard::close(*port);
    port->flow = nullptr;
  });
  shard_.settle();
  ports_.erase(entry);
  portFlows_.erase(id);
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
  shard_.post([link, remote](Path&) { link->move(remote); });
  links_[*id] = {std::move(link), {}};
  return {};
}

Refusal Engine::setLinkRemote(uint32_t id, const Address& remote) {
  const auto entry = links_.find(id);
  if (entry == links_.end()) return unknown("link", id);
  shard_.post([link = entry->second.link, remote](Path&) { link->move(remote); });
  return {};
}

Refusal Engine::setLinkPort(uint32_t id, uint32_t portId) {
  const auto entry = links_.find(id);
  if (entry == links_.end()) return unknown("link", id);
  const auto port = ports_.find(portId);
  if (port == ports_.end() || !port->second->trunk) return unknown("trunk port", portId);
  shard_.post([link = entry->second.link, port = port->second](Path& path) mutable {
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
  shard_.post([link = entry->second.link](Path&) { link->move(Address()); });
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
  crypto_[*id] = std::move(context);
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
  shard_.run([&](Path&) { *states = entry->second->states(); });
  return true;
}

Refusal Engine::crypto(uint32_t id, bool protects, std::shared_ptr<SrtpContext>* context) const {
  const auto entry = crypto_.find(id);
  if (entry == crypto_.end() || entry->second->protects() != protects) {
    return unknown(protects ? "protect key" : "unprotect key", id);
  }
  *context = entry->second;
  return {};
}

Refusal Engine::resolve(const OutputSpec& spec, Output* output) const {
  *output = Output();
  if (spec.link != 0) {
    const auto link = links_.find(spec.link);
    if (link == links_.end()) return unknown("link", spec.link);
    output->link = link->second.link;
    output->channel = static_cast<uint16_t>(spec.channel);
  } else if (spec.port != 0) {
    const auto port = ports_.find(spec.port);
    if (port == ports_.end()) return unknown("port", spec.port);
    output->port = port->second;
    output->remote = spec.remote;
  }
  return {};
}

Refusal Engine::apply(const FlowChange& change, FlowConfig* config) const {
  if (change.hasAccept) {
    config->accept = change.accept;
    config->source = change.source;
  }
  if (change.hasUnprotect) {
    config->unprotect.clear();
    for (const uint32_t id : change.unprotect) {
      std::shared_ptr<SrtpContext> context;
      if (const Refusal refusal = crypto(id, false, &context)) return refusal;
      config->unprotect.push_back(std::move(context));
    }
  }
  if (change.hasProtect) {
    config->protect = nullptr;
    if (change.protect != 0)
      if (const Refusal refusal = crypto(change.protect, true, &config->protect)) return refusal;
  }
  if (change.hasRtp)
    if (const Refusal refusal = resolve(change.rtp, &config->rtp)) return refusal;
  return change.hasRtcp ? resolve(change.rtcp, &config->rtcp) : Refusal();
}

Refusal Engine::addFlow(const FlowSpec& spec, uint32_t* id) {
  if (flows_.size() >= limits_.maxFlows) return {"full", "too many media flows"};
  auto config = std::make_shared<FlowConfig>();
  if (const Refusal refusal = apply(spec.rest, config.get())) return refusal;
  auto flow = std::make_shared<Flow>();
  if (spec.probes) {
    const auto link = links_.find(spec.probeLink);
    if (link == links_.end()) return unknown("link", spec.probeLink);
    flow->probe.reset(new Probe{link->second.link, static_cast<uint16_t>(spec.probeChannel),
                                ProbeTable(spec.probeSources, spec.probesPerSecond)});
  }
  if (const Refusal refusal = occupy(spec, nextId_)) return refusal;
  *id = flow->id = nextId_++;
  flow->opaque = spec.opaque;
  flow->passthrough = spec.passthrough;
  flow->tokened = spec.tokened;
  flow->config = config;
  flow->passedAt = shard_.now();
  const auto idleAfterNs = static_cast<int64_t>(spec.idleAfterMs * 1e6);
  flows_[*id] = {flow, spec.port, spec.link, spec.channel, idleAfterNs, 0, std::move(config)};
  if (spec.port != 0) {
    shard_.post([flow, port = ports_[spec.port]](Path&) { port->flow = flow.get(); });
  } else {
    shard_.post([flow, link = links_[spec.link].link, at = spec.channel - kFirstChannel](Path&) {
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
  if (const Refusal refusal = apply(change, config.get())) return refusal;
  entry->second.config = config;
  Flow& flow = *entry->second.flow;
  flow.idle = false;
  flow.passedAt = shard_.now();
  shard_.post([flow = entry->second.flow, config = std::move(config)](Path&) mutable {
    flow->config.swap(config);
  });
  return {};
}

void Engine::removeFlow(uint32_t id) {
  const auto entry = flows_.find(id);
  if (entry == flows_.end()) return;
  const auto& [flow, portId, linkId, channel, idleAfterNs, told, config] = entry->second;
  const auto link = links_.find(linkId);
  const auto port = ports_.find(portId);
  if (link != links_.end()) {
    link->second.channels.erase(channel);
    shard_.post([flow = flow, link = link->second.link, at = channel - kFirstChannel](Path&) {
      link->channels[at] = nullptr;
    });
  } else if (port != ports_.end()) {
    portFlows_.erase(portId);
    shard_.post([flow = flow, port = port->second](Path&) { port->flow = nullptr; });
  } else {
    shard_.post([flow = flow](Path&) {});  // its input is gone, but a packet may be on its way through it
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
  shard_.run([&](Path&) {
    const Address* source = entry->second.flow->probe->table.source(token);
    if (source != nullptr) found = *source;
  });
  return found;
}

std::vector<Finding> Engine::sweep() {
  shard_.settle();
  std::vector<Finding> findings;
  const int64_t now = shard_.now();
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
