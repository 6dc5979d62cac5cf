// One thread that owns sockets and moves their packets: epoll, recvmmsg (GRO on trunks), the packet path, flush.
// JavaScript reaches it only by commands, applied between a receive and its processing, so that a packet sent after
// a change meets the change. A command goes back to the JavaScript thread at the end of the round and is destroyed
// there, with everything it holds: the shard frees nothing and waits for nobody.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "events.h"
#include "packet-path.h"
#include "ring.h"

namespace viaduct {

class Shard {
 public:
  /** `wake` is called on the shard's thread when events wait. */
  Shard(size_t eventCapacity, std::function<void()> wake);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  /** False with errno set when the system has no thread or descriptor left. */
  bool start();
  /** Ends the thread after its round; packets still in socket buffers are dropped with them. Idempotent. */
  void stop();

  // For the JavaScript thread.
  /**
   * A change that takes effect before the next packet is processed. The shard is not woken for it: it looks for
   * changes whenever it has received something.
   */
  void post(std::function<void(PacketPath&)> change);
  /** Wakes the shard if changes wait, so that what they hold is given back. */
  void settle();
  /** Posts, and waits until the shard's round is over: at most one batch and one pause. */
  void run(std::function<void(PacketPath&)> change);
  /** Starts receiving on a socket that stays valid until a posted change has closed it. */
  bool watch(Port* port);
  /** Closes the socket; to be called within a change. */
  static void close(Port& port);
  /** Nanoseconds of the steady clock, or what `setClock` has put in its place. */
  int64_t now() const;
  void setClock(int64_t now) { clock_.store(now); }
  Events& events() { return events_; }

 private:
  struct Command {
    std::function<void(PacketPath&)> change;
  };
  struct Receiver;

  void loop();
  void round(int ready);
  size_t receive(Port& port);
  void wake();
  void applyCommands();
  void retire();
  void reap();
  void pause(size_t packets);

  static constexpr size_t kCommands = 8192;
  /** Changes that may wait for a packet or a `settle`. */
  static constexpr size_t kUnsettled = 256;
  static constexpr int kEpollEvents = 256;

  Events events_;
  PacketPath path_;
  std::unique_ptr<Receiver> receiver_;
  int epoll_ = -1, wakeup_ = -1;
  std::thread thread_;
  bool stopping_ = false;  // the shard's own
  std::atomic<int64_t> clock_{-1};

  Ring<Command*> commands_{kCommands}, retired_{kCommands};
  std::vector<Command*> applied_;  // this round, to be retired when nothing points into them any more
  std::atomic<bool> pending_{false};  // commands wait in the ring
  std::atomic<bool> woken_{false};    // the descriptor says so and has not been read
  size_t outstanding_ = 0;  // JavaScript thread: posted and not yet reaped; never more than the rings hold
  std::atomic<uint32_t> retirements_{0};

  int64_t windowStart_ = 0;
  size_t windowPackets_ = 0;
  bool busy_ = false;
  bool more_ = false;  // the last round has left packets in a socket
};

}  // namespace viaduct
