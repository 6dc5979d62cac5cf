// The shard's loop, and the two ends of its command ring.
#include "shard.h"

#include <netinet/udp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <system_error>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace viaduct {
namespace {

/**
 * From this rate on the shard rests before each look at its sockets, so that packets meet in trains instead of
 * waking it one by one: what a network card calls interrupt coalescing. Costs at most this much delay.
 */
constexpr size_t kBusyPacketsPerSecond = 10'000;
constexpr long kRestNs = 200'000;
/** A round this large is a train already: no rest after it. */
constexpr size_t kFullRound = 64;
constexpr int64_t kWindowNs = 10'000'000;
/**
 * How often the shard asks itself whether it works all the time, as under a flood: then it goes back among the other
 * threads, which would starve otherwise, until it has time to spare again.
 */
constexpr int64_t kJudgeNs = 100'000'000;
constexpr int64_t kFullShare = 5, kSpareShare = 2;  // it waits for less than a fifth of the time; for half of it

/** struct sched_attr of the kernel, which glibc does not declare everywhere. */
struct SchedulingAttributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

/**
 * Goes before all that is not real time (SCHED_RR), so that no packet waits for other work: measured, that is all
 * that makes its delay long. Only a privileged process, or one with RLIMIT_RTPRIO, may.
 */
bool takeRealTime() {
  SchedulingAttributes wanted{};
  wanted.size = sizeof wanted;
  wanted.policy = SCHED_RR;
  wanted.priority = 1;
  return syscall(SYS_sched_setattr, 0, &wanted, 0) == 0;
}

/**
 * Asks for a short slice (kernels from 6.12 on let every thread), so that the scheduler lets this thread in soon,
 * and for precedence, which only a privileged process gets. Refused: media still flows, less evenly on a full
 * machine.
 */
void preferThisThread() {
  constexpr uint64_t kSliceNs = 100'000;
  constexpr int kNice = -11;
  SchedulingAttributes wanted{};
  wanted.size = sizeof wanted;
  wanted.runtime = kSliceNs;
  const int nice = getpriority(PRIO_PROCESS, 0);  // Linux: of this thread
  wanted.nice = std::min(nice, kNice);
  if (syscall(SYS_sched_setattr, 0, &wanted, 0) == 0) return;
  wanted.nice = nice;
  if (syscall(SYS_sched_setattr, 0, &wanted, 0) != 0) return;
}

int64_t steadyNow() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

}  // namespace

/** Buffers of one recvmmsg. Each holds the largest datagram, or the largest GRO train. */
struct Shard::Receiver {
  static constexpr size_t kMessages = 32;
  static constexpr size_t kBytes = 65536;

  Receiver() : buffer(new uint8_t[kMessages * kBytes]) {
    for (size_t slot = 0; slot < kMessages; slot++) {
      pieces[slot] = {buffer.get() + slot * kBytes, kBytes};
      prepare(slot);
    }
  }

  void prepare(size_t slot) {
    msghdr& message = messages[slot].msg_hdr;
    message = {};
    message.msg_name = &sources[slot];
    message.msg_namelen = sizeof sources[slot];
    message.msg_iov = &pieces[slot];
    message.msg_iovlen = 1;
    message.msg_control = controls[slot];
    message.msg_controllen = sizeof controls[slot];
  }

  /** At most `most` messages. */
  int receive(int fd, size_t most) {
    for (size_t slot = 0; slot < used; slot++) prepare(slot);
    const int count = recvmmsg(fd, messages, static_cast<unsigned>(most), MSG_DONTWAIT, nullptr);
    used = count > 0 ? static_cast<size_t>(count) : 0;
    return count;
  }

  /** Bytes of each packet of a message: all of it, unless the kernel has joined several. */
  size_t segmentBytes(size_t slot) {
    msghdr& message = messages[slot].msg_hdr;
    for (cmsghdr* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
      if (control->cmsg_level != IPPROTO_UDP || control->cmsg_type != UDP_GRO) continue;
      int bytes = 0;
      std::memcpy(&bytes, CMSG_DATA(control), sizeof bytes);
      if (bytes > 0) return static_cast<size_t>(bytes);
    }
    return kBytes;
  }

  std::unique_ptr<uint8_t[]> buffer;
  size_t used = 0;  // slots that the kernel has written to
  mmsghdr messages[kMessages];
  iovec pieces[kMessages];
  sockaddr_storage sources[kMessages];
  alignas(cmsghdr) uint8_t controls[kMessages][64];
};

Shard::Shard(Path& path, const char* name) : path_(path), name_(name), receiver_(new Receiver) {
  applied_.reserve(kCommands);
}

Shard::~Shard() {
  stop();
  closeDescriptors();
}

void Shard::closeDescriptors() {
  if (epoll_ >= 0) ::close(epoll_);
  if (wakeup_ >= 0) ::close(wakeup_);
  epoll_ = wakeup_ = -1;
}

bool Shard::start() { return open() && launch(); }

bool Shard::open() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  wakeup_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (epoll_ < 0 || wakeup_ < 0) return false;
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.ptr = nullptr;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, wakeup_, &interest) == 0;
}

bool Shard::launch() {
  // Signals belong to Node's own threads.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this] { loop(); });
  } catch (const std::system_error&) {
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread_.joinable();
}

void Shard::stop() {
  if (!dead()) {
    if (!thread_.joinable()) return;
    post([this](Path&) { stopping_ = true; });
    wake();
  }
  if (thread_.joinable()) thread_.join();
  if (dead()) {
    pending_.store(true);
    applyCommands();
    path_.outbox.abandon();
  }
  retire();
  reap();
}

bool Shard::revive() {
  if (!dead()) return true;
  if (thread_.joinable()) thread_.join();  // from here on this thread has everything that was the other's
  path_.outbox.abandon();
  retire();
  pending_.store(true);  // it may have left some
  closeDescriptors();
  if (!open()) return false;
  for (Socket* socket : watched_) {
    path_.watchedAnew(*socket);
    if (socket->fd >= 0 && !listenTo(socket)) return false;
  }
  woken_.store(false);
  dead_.store(false, std::memory_order_release);
  if (!launch()) {
    dead_.store(true);
    return false;
  }
  if (outstanding_ > 0) wake();
  return true;
}

/** Waits for retirements beyond `seen`. A dead thread retires nothing: another one, or else this one, does its part. */
void Shard::wait(uint32_t seen) {
  if (dead() && !revive()) {
    pending_.store(true);
    applyCommands();
    return retire();
  }
  retirements_.wait(seen);
}

int64_t Shard::now() const {
  const int64_t set = clock_.load(std::memory_order_relaxed);
  return set >= 0 ? set : steadyNow();
}

void Shard::post(std::function<void(Path&)> change) {
  reap();
  while (outstanding_ == kCommands) {
    const uint32_t seen = retirements_.load();
    reap();
    if (outstanding_ == kCommands) wait(seen);
  }
  *commands_.next() = new Command{std::move(change)};
  commands_.pushed();
  outstanding_ += 1;
  pending_.store(true);
  if (outstanding_ >= kUnsettled) wake();
}

void Shard::settle() {
  reap();
  if (outstanding_ > 0) wake();
}

void Shard::wake() {
  if (woken_.exchange(true)) return;
  const uint64_t one = 1;
  if (::write(wakeup_, &one, sizeof one) < 0) return;  // full: the shard is awake anyway
}

void Shard::run(std::function<void(Path&)> change) {
  post(std::move(change));
  wake();
  while (outstanding_ > 0) {
    const uint32_t seen = retirements_.load();
    reap();
    if (outstanding_ > 0) wait(seen);
  }
}

void Shard::reap() {
  for (Command** command = retired_.front(); command != nullptr; command = retired_.front()) {
    Command* done = *command;
    retired_.popped();
    outstanding_ -= 1;
    delete done;
  }
}

bool Shard::listenTo(Socket* socket) {
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.ptr = socket;
  return epoll_ctl(epoll_, EPOLL_CTL_ADD, socket->fd, &interest) == 0;
}

bool Shard::watch(Socket* socket) {
  if (!listenTo(socket)) return false;
  watched_.insert(socket);
  return true;
}

void Shard::release(Socket* socket) {
  forget(socket);
  run([this, socket](Path&) {
    if (socket->fd >= 0) epoll_ctl(epoll_, EPOLL_CTL_DEL, socket->fd, nullptr);
  });
}

void Shard::close(Socket& socket) {
  if (socket.fd >= 0) ::close(socket.fd);  // leaves the epoll set by itself
  socket.fd = -1;
}

Shard::Ending::~Ending() {
  if (!shard.stopping_) {
    shard.path_.died(shard.why_);
    shard.dead_.store(true, std::memory_order_release);
  }
  shard.retirements_.fetch_add(1);
  shard.retirements_.notify_all();
}

void Shard::loop() {
  const Ending ending{*this};
  prctl(PR_SET_NAME, name_);
  prctl(PR_SET_TIMERSLACK, 1000);
  mayBeRealTime_ = sysconf(_SC_NPROCESSORS_ONLN) > 1 && takeRealTime();
  realTime_ = mayBeRealTime_;
  if (!realTime_) preferThisThread();
  roundEnd_ = judgedAt_ = steadyNow();
  why_ = "the thread was ended";
  try {
    while (!stopping_) round(-1);
  } catch (const std::exception& error) {
    snprintf(words_, sizeof words_, "%s", error.what());
    why_ = words_;
  }
}

void Shard::round(int timeoutMs) {
  epoll_event ready[kEpollEvents];
  const int count = epoll_wait(epoll_, ready, kEpollEvents, timeoutMs);
  waited_ += steadyNow() - roundEnd_;
  if (count < 0 && errno != EINTR) throw std::system_error(errno, std::generic_category(), "epoll_wait");
  size_t packets = 0;
  rounds_.store(rounds() + 1, std::memory_order_relaxed);
  more_ = count == kEpollEvents;
  for (int at = 0; at < count; at++) {
    Socket* socket = static_cast<Socket*>(ready[at].data.ptr);
    if (socket != nullptr) {
      if ((ready[at].events & EPOLLERR) != 0 && socket->hasErrorQueue) {
        applyCommands();  // as with packets: an error that came after a change meets the change
        path_.now = now();
        if (socket->fd >= 0) path_.errorQueue(*socket);
      }
      packets += receive(*socket);
      continue;
    }
    uint64_t signals;
    if (::read(wakeup_, &signals, sizeof signals) < 0) continue;
    woken_.store(false);  // before the ring is looked at below: who wakes from now on writes again
  }
  applyCommands();
  path_.outbox.flush(path_.now);
  path_.roundEnds();
  retire();
  pause(packets);
}

/** One batch of one socket; the rest waits for the next round, so that no socket starves another. */
size_t Shard::receive(Socket& socket) {
  if (socket.fd < 0) return 0;
  // One packet costs less when none is looked for behind it; who comes in every round has more.
  const uint32_t round = static_cast<uint32_t>(rounds());
  const bool batch = socket.busy || round - socket.round <= 1;
  socket.round = round;
  const size_t most = batch ? Receiver::kMessages : 1;
  const int count = receiver_->receive(socket.fd, most);
  const int error = errno;
  applyCommands();  // a packet sent after a change meets the change
  path_.now = now();
  if (count < 0) {
    const bool strange = error != EAGAIN && error != EINTR;
    if (strange && socket.failures.admit(static_cast<uint32_t>(error), path_.now)) path_.failed(socket, error);
    return 0;
  }
  socket.busy = count > 1;
  if (static_cast<size_t>(count) == Receiver::kMessages) more_ = true;
  size_t packets = 0;
  for (size_t slot = 0; slot < static_cast<size_t>(count); slot++) {
    const Address source = fromSocket(receiver_->sources[slot]);
    const uint8_t* bytes = receiver_->buffer.get() + slot * Receiver::kBytes;
    size_t left = receiver_->messages[slot].msg_len;
    const size_t segment = receiver_->segmentBytes(slot);
    do {
      const size_t length = std::min(left, segment);
      // Nobody can answer port 0, which only a forged packet has.
      if (socket.fd >= 0 && source.port != 0) path_.receive(socket, bytes, length, source);
      bytes += length;
      left -= length;
      packets += 1;
    } while (left > 0);
  }
  return packets;
}

void Shard::applyCommands() {
  if (!pending_.load(std::memory_order_acquire)) return;
  pending_.exchange(false);
  for (Command** command = commands_.front(); command != nullptr; command = commands_.front()) {
    Command* change = *command;
    commands_.popped();
    applied_.push_back(change);  // first: a change that ends the thread is not met again by the next one
    change->change(path_);
  }
}

/** Trains of this round have gone: nothing points to what the commands took out any more. */
void Shard::retire() {
  if (applied_.empty()) return;
  for (Command* command : applied_) {
    *retired_.next() = command;
    retired_.pushed();
  }
  applied_.clear();
  retirements_.fetch_add(1);
  retirements_.notify_all();
}

void Shard::pause(size_t packets) {
  windowPackets_ += packets;
  const int64_t now = steadyNow();
  if (now - windowStart_ >= kWindowNs) {
    busy_ = windowPackets_ * static_cast<size_t>(kSecond / 1000) / static_cast<size_t>((now - windowStart_) / 1000) >=
            kBusyPacketsPerSecond;
    windowStart_ = now;
    windowPackets_ = 0;
  }
  roundEnd_ = now;
  if (now - judgedAt_ >= kJudgeNs) judge(now);
  if (!busy_ || more_ || packets == 0 || packets >= kFullRound) return;
  const timespec rest{0, kRestNs};
  clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, nullptr);
}

void Shard::judge(int64_t now) {
  const int64_t elapsed = now - judgedAt_;
  if (realTime_ && waited_ < elapsed / kFullShare) {
    realTime_ = false;
    preferThisThread();
  } else if (mayBeRealTime_ && !realTime_ && waited_ > elapsed / kSpareShare) {
    realTime_ = takeRealTime();
  }
  judgedAt_ = now;
  waited_ = 0;
}

}  // namespace viaduct
