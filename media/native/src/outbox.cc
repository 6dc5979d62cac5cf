// Building trains and handing them to the kernel.
#include "outbox.h"

#include <netinet/udp.h>

#include <cerrno>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace viaduct {

Outbox::Outbox(std::function<void(Socket&, int)> failed)
    : failed_(std::move(failed)), arena_(new uint8_t[kArenaBytes]) {
  packets_.reserve(kMaxPackets);
  trains_.reserve(kMaxPackets);
  growing_.reserve(kMaxPackets);
  single_.reserve(kMaxPackets);
  iovs_.resize(kMaxPackets);
}

uint8_t* Outbox::room() {
  if (used_ + kRoomBytes > kArenaBytes || packets_.size() == kMaxPackets) flush(now_);
  return arena_.get() + used_;
}

int32_t Outbox::addPacket(size_t length) {
  packets_.push_back({arena_.get() + used_, static_cast<uint32_t>(length), -1});
  used_ += length;
  return static_cast<int32_t>(packets_.size() - 1);
}

void Outbox::sendTo(Socket& socket, const Address& to, size_t length, Account account) {
  startTrain(socket, to, length, account, nullptr, 0);
  single_.push_back(static_cast<int32_t>(trains_.size() - 1));
}

void Outbox::sendTrain(Socket& socket, const Address& to, size_t length, Account account, int32_t* open,
                       bool exact, uint8_t dscp) {
  if (*open >= 0) {
    Train& train = trains_[static_cast<size_t>(*open)];
    if (train.socket == &socket && train.to == to && grow(train, length, exact, dscp)) return;
  }
  startTrain(socket, to, length, account, open, dscp);
  *open = static_cast<int32_t>(trains_.size() - 1);
  growing_.push_back(*open);
}

/** Only the last packet of a train may be shorter than the rest. */
bool Outbox::grow(Train& train, size_t length, bool exact, uint8_t dscp) {
  const uint32_t bytes = static_cast<uint32_t>(length);
  const bool fits = !train.closed && train.segments < kMaxSegments && train.bytes + bytes <= kMaxTrainBytes &&
                    train.segment <= train.socket->maxSegmentBytes && train.dscp == dscp;
  if (!fits || bytes > train.segment || (bytes < train.segment && exact)) return false;
  train.closed = bytes < train.segment;
  train.segments += 1;
  train.bytes += bytes;
  const int32_t packet = addPacket(length);
  packets_[static_cast<size_t>(train.last)].next = packet;
  train.last = packet;
  return true;
}

void Outbox::startTrain(Socket& socket, const Address& to, size_t length, Account account, int32_t* open,
                        uint8_t dscp) {
  const int32_t packet = addPacket(length);
  const uint32_t bytes = static_cast<uint32_t>(length);
  trains_.push_back({&socket, account, to, open, bytes, 1, bytes, packet, packet, false, dscp});
}

void Outbox::flush(int64_t now) {
  now_ = now;
  if (packets_.empty()) return;
  sendTrains(growing_);
  sendTrains(single_);
  abandon();
}

void Outbox::abandon() {
  for (const int32_t index : growing_) *trains_[static_cast<size_t>(index)].open = -1;
  growing_.clear();
  single_.clear();
  trains_.clear();
  packets_.clear();
  used_ = 0;
}

void Outbox::sendTrains(const std::vector<int32_t>& order) {
  for (size_t at = 0; at < order.size();) at += sendBatch(order, at);
}

/** Sends the trains of one socket that follow each other; returns how many are dealt with. */
size_t Outbox::sendBatch(const std::vector<int32_t>& order, size_t from) {
  const int fd = trains_[static_cast<size_t>(order[from])].socket->fd;
  size_t count = 0, iov = 0;
  while (count < kBatch && from + count < order.size()) {
    Train& train = trains_[static_cast<size_t>(order[from + count])];
    if (train.socket->fd != fd) break;
    iov = prepare(train, count, iov);
    count += 1;
  }
  Train& first = trains_[static_cast<size_t>(order[from])];
  int sent;
  if (fd < 0) {
    sent = -1;
    errno = EBADF;
  } else if (count == 1 && first.segments == 1 && first.dscp == 0) {
    const msghdr& message = messages_[0].msg_hdr;
    const iovec& piece = message.msg_iov[0];
    const auto* to = static_cast<const sockaddr*>(message.msg_name);
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    sent = sendto(fd, piece.iov_base, piece.iov_len, flags, to, message.msg_namelen) < 0 ? -1 : 1;
  } else if (count == 1) {
    sent = sendmsg(fd, &messages_[0].msg_hdr, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 1;
  } else {
    sent = sendmmsg(fd, messages_, static_cast<unsigned>(count), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (sent > 0) return static_cast<size_t>(sent);
  const int error = errno;
  if (!retried(first, messages_[0].msg_hdr, error)) failed(first, error);
  return 1;
}

/** Fills message `slot`; neighbours in the arena become one piece. Returns the next free piece. */
size_t Outbox::prepare(Train& train, size_t slot, size_t iov) {
  msghdr& message = messages_[slot].msg_hdr;
  std::memset(&message, 0, sizeof message);
  if (!train.socket->connected) {
    message.msg_name = &addresses_[slot];
    message.msg_namelen = toSocket(train.to, &addresses_[slot]);
  }
  message.msg_iov = &iovs_[iov];
  for (int32_t index = train.first; index >= 0; index = packets_[static_cast<size_t>(index)].next) {
    const Packet& packet = packets_[static_cast<size_t>(index)];
    iovec* last = message.msg_iovlen > 0 ? &iovs_[iov - 1] : nullptr;
    if (last != nullptr && static_cast<uint8_t*>(last->iov_base) + last->iov_len == packet.at) {
      last->iov_len += packet.length;
    } else {
      iovs_[iov++] = {packet.at, packet.length};
      message.msg_iovlen += 1;
    }
  }
  if (train.segments > 1 || train.dscp != 0) control(train, message, controls_[slot]);
  return iov;
}

/** The mark of the train's packets, and where the kernel is to cut them. */
void Outbox::control(const Train& train, msghdr& message, uint8_t* space) {
  const auto add = [&](int level, int type, const void* value, size_t bytes) {
    auto* header = reinterpret_cast<cmsghdr*>(space + message.msg_controllen);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(bytes);
    std::memcpy(CMSG_DATA(header), value, bytes);
    message.msg_controllen += CMSG_SPACE(bytes);
  };
  message.msg_control = space;
  const int mark = train.dscp << 2;  // the upper six bits; the lower two are ECN
  const bool six = train.to.family == AF_INET6;
  if (train.dscp != 0) add(six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TCLASS : IP_TOS, &mark, sizeof mark);
  const uint16_t segment = static_cast<uint16_t>(train.segment);
  if (train.segments > 1) add(IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof segment);
}

/** An ICMP error of an earlier packet fails the next send and is gone then: this packet has done nothing. */
bool Outbox::retried(Train& train, const msghdr& message, int error) {
  if (!train.socket->hasErrorQueue || error == EAGAIN || error == EMSGSIZE || error == EINVAL) return false;
  return sendmsg(train.socket->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

void Outbox::failed(Train& train, int error) {
  const bool refusedTrain = error == EINVAL || error == EMSGSIZE || error == EIO || error == EOPNOTSUPP;
  if (train.segments == 1 || !refusedTrain) return lost(train, train.segments, error);
  // What is refused alone too (an address nobody can send to) says nothing about trains.
  if (!sendSingly(train)) return;
  // The path's MTU is smaller than a segment, or the device cannot checksum trains: from now on without.
  train.socket->maxSegmentBytes = error == EIO || error == EOPNOTSUPP ? 0 : train.segment - 1;
}

/** True when one of the packets went. */
bool Outbox::sendSingly(Train& train) {
  bool sent = false;
  sockaddr_storage to;
  const socklen_t toBytes = train.socket->connected ? 0 : toSocket(train.to, &to);
  for (int32_t index = train.first; index >= 0; index = packets_[static_cast<size_t>(index)].next) {
    const Packet& packet = packets_[static_cast<size_t>(index)];
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    if (sendto(train.socket->fd, packet.at, packet.length, flags, reinterpret_cast<sockaddr*>(&to), toBytes) < 0) {
      lost(train, 1, errno);
    } else {
      sent = true;
    }
  }
  return sent;
}

void Outbox::lost(Train& train, uint32_t packets, int error) {
  if (train.account.sent != nullptr) train.account.sent->take(packets);
  if (train.account.failed != nullptr) train.account.failed->add(packets);
  if (train.socket->failures.admit(static_cast<uint32_t>(error), now_)) failed_(*train.socket, error);
}

}  // namespace viaduct
