// The control side, on the JavaScript thread: handles, limits and what objects hold each other; every change goes to
// the shard as a command. One shard today: everything a flow touches then has one owner. With more, a link, its
// flows and their keys go to the shard that the link's port belongs to.
#pragma once
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "packet-path.h"
#include "refusal.h"

struct napi_env__;
struct napi_value__;

namespace viaduct {

struct Limits {
  uint32_t maxPorts, maxFlows, maxLinks, maxSourcesPerKey, stunPerSecond, trunkBufferBytes;
};

/** An output by handles; both zero: nowhere. */
struct OutputSpec {
  uint32_t port = 0, link = 0;
  Address remote;
  uint32_t channel = 0;
};

/** What can be given to a new flow and changed later; absent parts stay. */
struct FlowChange {
  bool hasAccept = false, hasUnprotect = false, hasProtect = false, hasRtp = false, hasRtcp = false;
  Accept accept = Accept::None;
  Address source;
  std::vector<uint32_t> unprotect;
  uint32_t protect = 0;  // 0: none
  OutputSpec rtp, rtcp;
};

struct FlowSpec {
  uint32_t port = 0;  // either a port
  uint32_t link = 0;  // or a channel of a link
  uint32_t channel = 0;
  bool tokened = false, opaque = false, passthrough = false;
  bool probes = false;
  uint32_t probeLink = 0, probeChannel = 0, probeSources = 0;
  double probesPerSecond = 0;
  double idleAfterMs = 0;
  FlowChange rest;
};

/** What a look for idle flows and bad tags has found. */
struct Finding {
  uint32_t flow;
  uint64_t badTags;  // 0: the flow is idle
};

class Engine {
 public:
  Engine(const Limits& limits, std::function<void()> wake);
  ~Engine();

  bool start() { return shard_.start(); }
  /** Ends the thread and closes everything. Idempotent. */
  void close();

  /** `receiveBuffer`: bytes that the kernel gave. */
  Refusal openPort(const Address& bind, bool trunk, uint32_t* id, Address* bound, int* receiveBuffer);
  void closePort(uint32_t id);
  void sendStun(uint32_t port, const uint8_t* bytes, size_t length, const Address& to);
  Refusal addLink(uint32_t port, const Address& remote, uint32_t* id);
  Refusal setLinkRemote(uint32_t link, const Address& remote);
  Refusal setLinkPort(uint32_t link, uint32_t port);
  void removeLink(uint32_t link);
  const LinkCounters* linkCounters(uint32_t link) const;
  Refusal addCrypto(const CryptoSpec& spec, uint32_t* id);
  void removeCrypto(uint32_t id);
  bool cryptoStates(uint32_t id, std::vector<SourceState>* states);
  Refusal addFlow(const FlowSpec& spec, uint32_t* id);
  Refusal changeFlow(uint32_t flow, const FlowChange& change);
  void removeFlow(uint32_t flow);
  const FlowCounters* counters(uint32_t flow) const;
  /** None when the token is not known. */
  Address tokenSource(uint32_t flow, uint32_t token);
  std::vector<Finding> sweep();
  void setClock(int64_t nowNs) { shard_.setClock(nowNs); }
  /** Tells JavaScript what waits, as long as `open`; in binding.cc, as this file knows nothing of Node. */
  void drain(napi_env__* env, napi_value__* listener, const bool& open);
  bool holdsProcess() const { return ports() > 0; }
  Events& events() { return events_; }
  const Limits& limits() const { return limits_; }

  size_t ports() const { return ports_.size(); }
  size_t links() const { return links_.size(); }
  size_t crypto() const { return crypto_.size(); }
  size_t flows() const { return flows_.size(); }

 private:
  struct FlowEntry {
    std::shared_ptr<Flow> flow;
    uint32_t port, link, channel;
    int64_t idleAfterNs;
    uint64_t badTagsTold;
    std::shared_ptr<FlowConfig> config;  // the latest one, that the next change starts from
  };
  struct LinkEntry {
    std::shared_ptr<Link> link;
    std::unordered_set<uint32_t> channels;
  };

  Refusal apply(const FlowChange& change, FlowConfig* config) const;
  Refusal resolve(const OutputSpec& spec, Output* output) const;
  Refusal crypto(uint32_t id, bool protects, std::shared_ptr<SrtpContext>* context) const;
  Refusal occupy(const FlowSpec& spec, uint32_t id);

  const Limits limits_;
  uint32_t nextId_ = 1;
  bool closed_ = false;
  std::unordered_map<uint32_t, std::shared_ptr<Port>> ports_;
  std::unordered_map<uint32_t, uint32_t> portFlows_;
  std::unordered_map<uint32_t, LinkEntry> links_;
  std::unordered_map<uint32_t, std::shared_ptr<SrtpContext>> crypto_;
  std::unordered_map<uint32_t, FlowEntry> flows_;
  Events events_;
  PacketPath path_{events_};
  Shard shard_{path_, "viaduct-media"};  // last: its thread ends before anything it may look at goes
};

}  // namespace viaduct
