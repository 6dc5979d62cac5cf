// The control side of the TURN relay, on the JavaScript thread: listeners, allocations, to whom each may send. Every change
// goes to the thread as a command; numbers that are not known are ignored, as the machine may be told late.
#pragma once
#include <string>
#include <unordered_map>

#include "refusal.h"
#include "turn-path.h"

struct napi_env__;
struct napi_value__;

namespace viaduct {

/** A client by listener number and address; listener 0: a stream. */
struct ClientSpec {
  uint32_t listener = 0;
  Address remote;
};

class Relay {
 public:
  Relay(const TurnLimits& limits, std::function<void()> wake);
  ~Relay();

  bool start() { return shard_.start(); }
  /** Ends the thread and closes everything. Idempotent. */
  void close();

  /** `receiveBuffer`: bytes that the kernel gave. */
  Refusal openListener(const Address& bind, uint32_t* id, Address* bound, int* receiveBuffer);
  void sendControl(uint32_t listener, const uint8_t* bytes, size_t length, const Address& to);
  /** All relayed addresses or none. */
  Refusal open(uint32_t allocation, const ClientSpec& client, const std::vector<Address>& relays);
  void setClient(uint32_t allocation, const ClientSpec& client);
  void permit(uint32_t allocation, const Permission& permission);
  void forbid(uint32_t allocation, const Address& host);
  void bindChannel(uint32_t allocation, const Channel& channel);
  void unbindChannel(uint32_t allocation, uint16_t number);
  /** Data of a client on a stream; false when there is no such allocation. */
  bool fromStream(uint32_t allocation, const uint8_t* bytes, size_t length);
  /** Of one family (4, 6) or all (0). */
  void closeRelay(uint32_t allocation, int family);
  /** Both directions: packets and bytes from the client and from peers, then drops. False when there is none. */
  bool counters(uint32_t allocation, std::vector<double>* values) const;
  /** Strays by reason, then what was lost for want of room by lane: since the beginning. */
  std::vector<double> sweep();

  /** To be called in another turn of the loop when the listener was told that more waits. */
  void wakeAgain() { upward_.wakeAgain(); }

  /** For tests: the thread dies by an exception (0), or ends (1). */
  void disturb(uint32_t how);
  /** A new thread where the old one has died; false when the system has none. */
  bool revive();
  /** What waits for JavaScript, up to one turn's worth; true when more does. */
  template <typename Use>
  bool drainRecords(Use use) {
    return upward_.drain(use);
  }
  /** Tells JavaScript what waits, as long as `open`; in binding.cc. */
  void drain(napi_env__* env, napi_value__* listener, const bool& open);
  bool holdsProcess() const { return !closed_ && !listeners_.empty(); }
  size_t listeners() const { return listeners_.size(); }
  size_t relays() const { return allocations_.size(); }

 private:
  struct Entry {
    std::shared_ptr<Allocation> allocation;
    std::shared_ptr<const Peers> peers;  // the latest, that the next change starts from
    std::shared_ptr<TurnSocket> four, six;
  };

  Refusal openSocket(const Address& bind, bool listens, std::shared_ptr<TurnSocket>* out);
  ClientEnd clientEnd(const ClientSpec& spec) const;
  void setPeers(Entry& entry, std::vector<Permission> permissions, std::vector<Channel> channels);
  void closeSocket(const std::shared_ptr<Allocation>& allocation, std::shared_ptr<TurnSocket>& socket);

  const TurnLimits limits_;
  uint32_t nextListener_ = 1;
  bool closed_ = false;
  std::unordered_map<uint32_t, std::shared_ptr<TurnSocket>> listeners_;
  std::unordered_map<uint32_t, Entry> allocations_;
  Upward upward_;
  TurnPath path_;
  Shard shard_{path_, "viaduct-turn"};  // last: its thread ends before anything it may look at goes
};

}  // namespace viaduct
