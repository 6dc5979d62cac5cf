// The way of a TURN packet: datagram in → listener or relay → allocation → permission → outbox. No lock, no allocation of
// memory. What it does is what relay-path.ts and portable-relay.ts do, drop by drop. Requests and everything that is not
// data of a client goes up to JavaScript.
#pragma once
#include "allocation.h"
#include "shard.h"
#include "upward.h"

namespace viaduct {

struct TurnLimits {
  uint32_t maxRelays = 0;
  uint32_t listenerBufferBytes = 0, relayBufferBytes = 0;
  /** Requests of one client in a second that go before those of strangers. */
  uint32_t controlsPerSecond = 0;
  std::vector<OwnAddress> own;
  std::vector<uint32_t> knownAttributes;
};

/** ICMP errors are kept for us, and packets leave without DF unless a client asks for it (RFC 8656 §14). */
void asRelay(TurnSocket& socket, bool six);

/** Packets that belong to no allocation, by reason; `native-relay.ts` has the same list. */
enum class Stray : uint8_t { NoAllocation, NotTurn, LinkLocal };
constexpr size_t kStrays = 3;

class TurnPath final : public Path {
 public:
  TurnPath(const TurnLimits& limits, Upward& upward);

  void receive(Socket& socket, const uint8_t* bytes, size_t length, const Address& source) override;
  void failed(Socket& socket, int error) override;
  void errorQueue(Socket& socket) override;
  void roundEnds() override { upward_.roundEnds(); }

  /** Closes the connected sockets beside a relayed address of this family (AF_INET, AF_INET6). */
  void closeDirects(Allocation& allocation, uint16_t family);
  /** The thread that receives for this path. */
  void receiveWith(Shard& shard) { shard_ = &shard; }
  void died(const char* why) noexcept override;
  /** The thread has begun to die; asked once. */
  bool hasDied() { return died_.exchange(false); }
  /** Sends one message at once with DF set (RFC 8656 §14): what was sent before goes before. */
  void sendUnfragmented(TurnSocket& relay, const Outbound& out, Counter& failed);

  ClientTable clients;
  const KnownAttributes& known() const { return known_; }
  const std::vector<OwnAddress>& own() const { return limits_.own; }
  Counter strays[kStrays];

 private:
  void fromListener(TurnSocket& listener, const uint8_t* bytes, size_t length, const Address& source);
  void fromClient(Allocation& allocation, const uint8_t* bytes, size_t length);
  TurnSocket& socketFor(Allocation& allocation, TurnSocket& relay, const Outbound& out);
  void openDirect(Allocation& allocation, TurnSocket& relay, const Address& peer);
  void fromPeer(TurnSocket& relay, const uint8_t* bytes, size_t length, const Address& source);
  void toStream(Allocation& allocation, const uint8_t* bytes, size_t length, const Address& peer, uint16_t channel);
  void toClient(Allocation& allocation, size_t bytes, size_t payload);
  void control(TurnSocket& listener, const uint8_t* bytes, size_t length, const Address& source);
  void icmp(Allocation& allocation, const Address& peer, uint8_t type, uint8_t code, uint32_t data);
  const uint8_t* transactionId();

  const TurnLimits limits_;
  KnownAttributes known_;
  Upward& upward_;
  Shard* shard_ = nullptr;
  size_t directs_ = 0;
  std::atomic<bool> died_{false};
  /** Transaction ids of Data indications: random and drawn in bulk. */
  uint8_t ids_[kTransactionIdBytes * 256];
  size_t nextId_ = sizeof ids_;
};

/** Secret seed of a hash table. */
uint64_t randomSeed();

}  // namespace viaduct
