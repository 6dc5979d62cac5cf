// The way of a packet: datagram in → port or channel → flow → source check → unprotect → protect → outbox. No lock,
// no allocation, no system call but randomness for a new token. What it does is what
// media/portable-engine/flow.ts does, drop by drop.
#pragma once
#include "events.h"
#include "link.h"
#include "shard.h"

namespace viaduct {

class PacketPath final : public Path {
 public:
  /** `shard` is the number under which its end is told. */
  PacketPath(Events& events, uint32_t shard);

  /** One datagram of an open port. */
  void receive(Socket& socket, const uint8_t* bytes, size_t length, const Address& source) override;
  void failed(Socket& socket, int error) override;
  void died(const char* why) noexcept override;
  void watchedAnew(Socket& socket) override;
  /** The shard that receives; without one no socket is opened beside a port. */
  void receiveWith(Shard& shard) { receiver_ = &shard; }
  /** Of a port that closes or moves; within a change. */
  void closeDirect(Port& port);

 private:
  void fromTrunk(Port& port, const uint8_t* bytes, size_t length, const Address& source);
  void fromLink(Link& link, const uint8_t* bytes, size_t length);
  void fromPort(Flow& flow, const uint8_t* bytes, size_t length, const Address& source);
  void fromChannel(Flow& flow, const uint8_t* bytes, size_t length);
  void noteSource(Flow& flow, const Address& source);
  void refuse(Flow& flow, const uint8_t* bytes, size_t length, const Address& source);
  void sendProbe(Flow& flow, uint32_t token, const uint8_t* bytes, size_t length);
  void take(Flow& flow, const uint8_t* bytes, size_t length, const uint32_t* token);
  void takeStun(Flow& flow, const uint8_t* bytes, size_t length, const uint32_t* token);
  void transform(Flow& flow, const uint8_t* bytes, size_t length, Kind kind, const uint32_t* token);
  Outcome unprotect(const FlowConfig& config, const uint8_t* bytes, size_t length, Kind kind, uint8_t* out);
  /** Sends the packet that lies behind the headroom of `room()`. */
  void send(Flow& flow, const Output& output, size_t length);
  void sendTo(Link& link, size_t length, uint8_t dscp);
  /** The socket by which a packet of this port leaves for `to`. */
  Socket& way(Port& port, const Address& to);
  bool openDirect(Port& port, const Address& to);
  void pass(Flow& flow);
  void show(const Flow& flow, CaptureView view, const uint8_t* bytes, size_t length) const;

  Events& events_;
  const uint32_t shard_;
  Shard* receiver_ = nullptr;
  size_t directs_ = 0;
  std::unique_ptr<uint8_t[]> plain_;    // an opened packet before it is sealed again
  std::unique_ptr<uint8_t[]> scratch_;  // a packet whose MKI was taken out
};

}  // namespace viaduct
