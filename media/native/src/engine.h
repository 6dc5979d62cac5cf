// The control side, on the JavaScript thread: handles, limits and what objects hold each other; every change goes to
// the shard as a command. Everything that a flow touches is of one shard, the one of the port where its packets come
// in (a channel's is that of its link's port); keys and captures go to the shard of the first flow that uses them.
#pragma once
#include <chrono>
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
  uint32_t maxCaptureBytes = 1 << 20;  // of all captures together
  uint32_t shards = 1;                 // threads
};

/** An output by handles; both zero: nowhere. */
struct OutputSpec {
  uint32_t port = 0, link = 0;
  Address remote;
  uint32_t channel = 0;
  uint8_t dscp = 0;
};

/** What can be given to a new flow and changed later; absent parts stay. */
struct FlowChange {
  bool hasAccept = false, hasUnprotect = false, hasProtect = false, hasRtp = false, hasRtcp = false;
  bool hasRewrite = false, hasCapture = false, hasClockRate = false;
  Accept accept = Accept::None;
  Address source;
  std::vector<uint32_t> unprotect;
  uint32_t protect = 0;  // 0: none
  OutputSpec rtp, rtcp;
  std::shared_ptr<const Rewrite> rewrite;
  uint32_t capture = 0;  // 0: none
  CaptureView view = CaptureView::In;
  uint32_t clockRate = 0;
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

  bool start();
  /** Gives dead shards a new thread; false when one is still dead. */
  bool revive();
  /** Wakes all shards. Of each: rounds so far, and whether it has stood still for a second. */
  struct ShardState {
    uint64_t rounds;
    bool stuck;
  };
  std::vector<ShardState> lookAtShards();
  /** For tests: the shard throws (0), its thread ends (1), or it sleeps for as many milliseconds. */
  void disturb(uint32_t shard, uint32_t how);
  /** Ends the thread and closes everything. Idempotent. */
  void close();

  /** `receiveBuffer`: bytes that the kernel gave. */
  Refusal openPort(const Address& bind, bool trunk, uint32_t shard, uint32_t* id, Address* bound, int* receiveBuffer);
  /** Another thread receives from now on; the port has no flow and carries no link. */
  Refusal movePort(uint32_t id, uint32_t shard);
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
  Refusal openCapture(size_t packets, size_t snapBytes, uint32_t* id);
  void closeCapture(uint32_t id);
  /** Null when it is not known. `read` is called with it while its shard waits. */
  bool readCapture(uint32_t id, const std::function<void(const Capture&)>& read);
  Refusal addFlow(const FlowSpec& spec, uint32_t* id);
  Refusal changeFlow(uint32_t flow, const FlowChange& change);
  void removeFlow(uint32_t flow);
  const FlowCounters* counters(uint32_t flow) const;
  /** None when the token is not known. */
  Address tokenSource(uint32_t flow, uint32_t token);
  std::vector<Finding> sweep();
  void setClock(int64_t nowNs);
  /** Tells JavaScript what waits, as long as `open`; in binding.cc, as this file knows nothing of Node. */
  void drain(napi_env__* env, napi_value__* listener, const bool& open);
  /** What all shards have told since the last time. */
  template <typename Use>
  void drainEvents(Use use) {
    for (const auto& worker : workers_) worker->events.drain(use);
  }
  uint64_t lostEvents() const;
  bool holdsProcess() const { return ports() > 0; }
  const Limits& limits() const { return limits_; }

  size_t ports() const { return ports_.size(); }
  size_t links() const { return links_.size(); }
  size_t crypto() const { return crypto_.size(); }
  size_t flows() const { return flows_.size(); }
  size_t captures() const { return captures_.size(); }

 private:
  struct FlowEntry {
    std::shared_ptr<Flow> flow;
    uint32_t port, link, channel;
    int64_t idleAfterNs;
    uint64_t badTagsTold;
    std::shared_ptr<FlowConfig> config;  // the latest one, that the next change starts from
    uint32_t shard;
    std::vector<uint32_t> uses;  // keys and capture
  };
  struct LinkEntry {
    std::shared_ptr<Link> link;
    std::unordered_set<uint32_t> channels;
    uint32_t shard = 0, port = 0;
  };

  /** A thread with what is its own. */
  struct Worker {
    Worker(uint32_t number, const std::function<void()>& wake);
    Events events;
    PacketPath path;
    uint64_t roundsSeen = 0;
    std::chrono::steady_clock::time_point movedAt;
    Shard shard;  // last: its thread ends before anything it may look at goes
  };
  /** What flows of one shard at a time may touch: the first of them decides. */
  template <typename T>
  struct Held {
    std::shared_ptr<T> object;
    int64_t shard = -1;
    uint32_t users = 0;
  };

  Shard& shardOf(uint32_t number) { return workers_[number]->shard; }
  Refusal apply(const FlowChange& change, uint32_t shard, FlowConfig* config, std::vector<uint32_t>* uses);
  Refusal resolve(const OutputSpec& spec, uint32_t shard, Output* output);
  Refusal crypto(uint32_t id, bool protects, uint32_t shard, std::shared_ptr<SrtpContext>* context);
  template <typename T>
  Refusal hold(Held<T>& held, uint32_t shard);
  void use(const std::vector<uint32_t>& ids, int by);
  Refusal home(uint32_t portId, uint32_t linkId, uint32_t* shard) const;
  Refusal occupy(const FlowSpec& spec, uint32_t id);

  const Limits limits_;
  uint32_t nextId_ = 1;
  bool closed_ = false;
  std::unordered_map<uint32_t, std::shared_ptr<Port>> ports_;
  std::unordered_map<uint32_t, uint32_t> portFlows_;
  std::unordered_map<uint32_t, LinkEntry> links_;
  std::unordered_map<uint32_t, Held<SrtpContext>> crypto_;
  std::unordered_map<uint32_t, Held<Capture>> captures_;
  std::unordered_map<uint32_t, size_t> captureBytes_;
  std::unordered_map<uint32_t, FlowEntry> flows_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace viaduct
