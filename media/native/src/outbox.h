// Packets on their way out, in one arena, sent together at the end of a round: consecutive packets of a link become
// a train that goes through the kernel as one (UDP_SEGMENT), everything else goes by sendmmsg or sendmsg.
// Bounded: packets, trains and bytes of a round; a full outbox is flushed, never grown.
#pragma once
#include <sys/socket.h>
#include <sys/uio.h>

#include <memory>
#include <vector>

#include "events.h"
#include "link.h"

namespace viaduct {

class Outbox {
 public:
  explicit Outbox(Events& events);

  /** Room for one packet of any size with its headers, valid until a `send`. May flush. */
  uint8_t* room();
  /** Sends the `length` bytes that the caller has put at `room()`. `flow` may be null. */
  void sendTo(Port& port, const Address& to, size_t length, Flow* flow);
  void sendTo(Link& link, size_t length);
  /** Hands everything to the kernel. */
  void flush(int64_t now);

 private:
  static constexpr size_t kArenaBytes = 4 << 20;
  static constexpr size_t kRoomBytes = kMaxDatagramBytes + 256;
  static constexpr size_t kMaxPackets = 4096;
  /** The kernel's own bound on segments of one send (UDP_MAX_SEGMENTS of older kernels), and the largest datagram. */
  static constexpr uint32_t kMaxSegments = 64;
  static constexpr uint32_t kMaxTrainBytes = 65000;
  /**
   * Packets up to this size share trains with others of their size whatever came between: a stream of small
   * packets has one in a round, so nothing of a stream changes places. Larger ones only follow each other.
   */
  static constexpr uint32_t kSmallBytes = 500;
  static constexpr size_t kBatch = 64;

  struct Packet {
    uint8_t* at;
    uint32_t length;
    int32_t next;
  };
  struct Train {
    Port* port;
    Link* link;
    Flow* flow;
    Address to;
    uint32_t segment, segments, bytes;
    int32_t first, last;
    bool closed;
  };

  int32_t addPacket(size_t length);
  int32_t* openTrain(Link& link, size_t length);
  bool grow(Train& train, size_t length);
  void startTrain(Port& port, Link* link, Flow* flow, const Address& to, size_t length);
  void sendTrains(const std::vector<int32_t>& order);
  size_t sendBatch(const std::vector<int32_t>& order, size_t from);
  size_t prepare(Train& train, size_t slot, size_t iov);
  void failed(Train& train, int error);
  void sendSingly(Train& train);
  void lost(Train& train, uint32_t packets, int error);

  Events& events_;
  std::unique_ptr<uint8_t[]> arena_;
  size_t used_ = 0;
  int64_t now_ = 0;
  std::vector<Packet> packets_;
  std::vector<Train> trains_;
  std::vector<int32_t> onLinks_, onPorts_;  // indices of trains: links first, so that they meet in one sendmmsg

  mmsghdr messages_[kBatch];
  sockaddr_storage addresses_[kBatch];
  alignas(cmsghdr) uint8_t controls_[kBatch][CMSG_SPACE(sizeof(uint16_t))];
  std::vector<iovec> iovs_;
};

}  // namespace viaduct
