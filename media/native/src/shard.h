// One thread that owns sockets and moves their packets: epoll, recvmmsg (with GRO where a socket asks), a packet path,
// flush. What the packets mean is the path's business.
// JavaScript reaches it only by commands, applied between a receive and its processing, so that a packet sent after
// a change meets the change. A command goes back to the JavaScript thread at the end of the round and is destroyed
// there, with everything it holds: the shard frees nothing and waits for nobody.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <unordered_set>
#include <vector>

#include "outbox.h"
#include "ring.h"

namespace viaduct {

/** What a shard's packets go through. Its functions are called on the shard's thread. */
class Path {
 public:
  Path() : outbox([this](Socket& socket, int error) { failed(socket, error); }) {}
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;
  virtual ~Path() = default;

  /** One datagram of an open socket. `bytes` are not to be written to: behind them lies the next one of a train. */
  virtual void receive(Socket& socket, const uint8_t* bytes, size_t length, const Address& source) = 0;
  /** A socket failed; the same errno of a socket is told once a second. */
  virtual void failed(Socket& socket, int error) = 0;
  /** The socket's error queue holds something; to be emptied. */
  virtual void errorQueue(Socket&) {}
  /** Everything that could be received has been. */
  virtual void roundEnds() {}
  /** A new thread begins to watch this socket: those that the path had opened beside it are to be closed. */
  virtual void watchedAnew(Socket&) {}
  /** The thread ends for this reason without having been told to. Must not throw. */
  virtual void died(const char*) noexcept {}

  /** Time of this batch, nanoseconds of a steady clock. */
  int64_t now = 0;
  Outbox outbox;
};

class Shard {
 public:
  /** `name` is the thread's, at most 15 bytes. The path outlives the shard. */
  Shard(Path& path, const char* name);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  /** False with errno set when the system has no thread or descriptor left. */
  bool start();
  /** Ends the thread after its round; packets still in socket buffers are dropped with them. Idempotent. */
  void stop();

  /** The thread has ended without having been told to; nothing moves until `revive`. */
  bool dead() const { return dead_.load(std::memory_order_acquire); }
  /**
   * A new thread takes up where the dead one stopped: sockets, flows and keys are as they were, a batch of packets is
   * lost. False when the system has no thread or descriptor left: to be tried again.
   */
  bool revive();
  /** Rounds so far: a thread whose number stands still after a `wake` is stuck. */
  uint64_t rounds() const { return rounds_.load(std::memory_order_relaxed); }
  void wake();

  // For the JavaScript thread.
  /**
   * A change that takes effect before the next packet is processed. The shard is not woken for it: it looks for
   * changes whenever it has received something.
   */
  void post(std::function<void(Path&)> change);
  /** Wakes the shard if changes wait, so that what they hold is given back. */
  void settle();
  /** Posts, and waits until the shard's round is over: at most one batch and one pause. */
  void run(std::function<void(Path&)> change);
  /** Starts receiving on a socket that stays valid until a posted change has closed it and `forget` was called. */
  bool watch(Socket* socket);
  void forget(Socket* socket) { watched_.erase(socket); }
  /** On this thread, for a socket that is the path's own: closed by it, and before a `revive`. */
  bool watchHere(Socket* socket) { return listenTo(socket); }
  /** Stops receiving on a socket that goes to another shard; waits for the end of the round. */
  void release(Socket* socket);
  /** Closes the socket; to be called within a change. */
  static void close(Socket& socket);
  /** Nanoseconds of the steady clock, or what `setClock` has put in its place. */
  int64_t now() const;
  void setClock(int64_t now) { clock_.store(now); }

 private:
  struct Command {
    std::function<void(Path&)> change;
  };
  struct Receiver;

  bool open();
  bool launch();
  void closeDescriptors();
  void loop();
  void round(int ready);
  size_t receive(Socket& socket);
  void wait(uint32_t seen);
  bool listenTo(Socket* socket);
  void applyCommands();
  void retire();
  void reap();
  void pause(size_t packets);
  void judge(int64_t now);

  static constexpr size_t kCommands = 8192;
  /** Changes that may wait for a packet or a `settle`. */
  static constexpr size_t kUnsettled = 256;
  static constexpr int kEpollEvents = 256;

  /** Says that the thread is ending, however it comes to that. */
  struct Ending {
    Shard& shard;
    ~Ending();
  };

  Path& path_;
  const char* const name_;
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

  std::unordered_set<Socket*> watched_;  // the JavaScript thread's
  std::atomic<bool> dead_{false};
  const char* why_ = "the thread was ended";
  char words_[128];
  std::atomic<uint64_t> rounds_{1};
  int64_t windowStart_ = 0;
  size_t windowPackets_ = 0;
  bool busy_ = false;
  bool more_ = false;  // the last round has left packets in a socket
  bool mayBeRealTime_ = false, realTime_ = false;
  int64_t roundEnd_ = 0, judgedAt_ = 0, waited_ = 0;
};

}  // namespace viaduct
