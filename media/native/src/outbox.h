// Packets on their way out, in one arena, sent together at the end of a round: consecutive packets to one destination become
// a train that goes through the kernel as one (UDP_SEGMENT), everything else goes by sendmmsg or sendmsg.
// Bounded: packets, trains and bytes of a round; a full outbox is flushed, never grown.
#pragma once
#include <sys/socket.h>
#include <sys/uio.h>

#include <functional>
#include <memory>
#include <vector>

#include "counters.h"
#include "packet.h"
#include "socket.h"

namespace viaduct {

/** Who is told when the kernel refuses a packet that he has counted as sent; either may be null. */
struct Account {
  Counter* sent = nullptr;
  Counter* failed = nullptr;
};

class Outbox {
 public:
  /** `failed` hears of an errno of a socket, at most once a second each. */
  explicit Outbox(std::function<void(Socket&, int)> failed);

  /** Room for one packet of any size with its headers, valid until a `send`. May flush. */
  uint8_t* room();
  /** Sends the `length` bytes that the caller has put at `room()`. */
  void sendTo(Socket& socket, const Address& to, size_t length, Account account);
  /** Forgets what has not been sent: the thread that was about to is gone. */
  void abandon();
  /**
   * The same for a destination that gets many. `open` is the caller's: the train that can still grow, -1 for none, and
   * set back to -1 when the outbox is flushed, until when it must stay where it is. `exact`: a shorter packet does not
   * end a train but begins another one. `dscp` marks each packet (RFC 2474); 0 leaves the socket's own mark.
   */
  void sendTrain(Socket& socket, const Address& to, size_t length, Account account, int32_t* open, bool exact,
                 uint8_t dscp = 0);
  /** Hands everything to the kernel. */
  void flush(int64_t now);

 private:
  static constexpr size_t kArenaBytes = 4 << 20;
  static constexpr size_t kRoomBytes = kMaxDatagramBytes + 256;
  static constexpr size_t kMaxPackets = 4096;
  /** The kernel's own bound on segments of one send (UDP_MAX_SEGMENTS of older kernels), and the largest datagram. */
  static constexpr uint32_t kMaxSegments = 64;
  static constexpr uint32_t kMaxTrainBytes = 65000;
  static constexpr size_t kBatch = 64;

  struct Packet {
    uint8_t* at;
    uint32_t length;
    int32_t next;
  };
  struct Train {
    Socket* socket;
    Account account;
    Address to;
    int32_t* open;  // null: never grows
    uint32_t segment, segments, bytes;
    int32_t first, last;
    bool closed;
    uint8_t dscp;
  };

  int32_t addPacket(size_t length);
  bool grow(Train& train, size_t length, bool exact, uint8_t dscp);
  void startTrain(Socket& socket, const Address& to, size_t length, Account account, int32_t* open, uint8_t dscp);
  static void control(const Train& train, msghdr& message, uint8_t* space);
  void sendTrains(const std::vector<int32_t>& order);
  size_t sendBatch(const std::vector<int32_t>& order, size_t from);
  size_t prepare(Train& train, size_t slot, size_t iov);
  bool retried(Train& train, const msghdr& message, int error);
  void failed(Train& train, int error);
  bool sendSingly(Train& train);
  void lost(Train& train, uint32_t packets, int error);

  std::function<void(Socket&, int)> failed_;
  std::unique_ptr<uint8_t[]> arena_;
  size_t used_ = 0;
  int64_t now_ = 0;
  std::vector<Packet> packets_;
  std::vector<Train> trains_;
  std::vector<int32_t> growing_, single_;  // indices of trains: growing ones first, so that they meet in one sendmmsg

  mmsghdr messages_[kBatch];
  sockaddr_storage addresses_[kBatch];
  alignas(cmsghdr) uint8_t controls_[kBatch][CMSG_SPACE(sizeof(uint16_t)) + CMSG_SPACE(sizeof(int))];
  std::vector<iovec> iovs_;
};

}  // namespace viaduct
