// See datagrams.h.
#include "datagrams.h"

#include <algorithm>
#include <cstring>

namespace viaduct {
namespace {

/** A flight of a server has five datagrams or so; more than this means that something is wrong. */
constexpr size_t kMostToSend = 64;

Datagrams* of(BIO* bio) { return static_cast<Datagrams*>(BIO_get_data(bio)); }

int writeBio(BIO* bio, const char* data, int length) {
  Datagrams* datagrams = of(bio);
  BIO_clear_retry_flags(bio);
  if (length <= 0 || datagrams->toSend.size() >= kMostToSend) return -1;
  const auto* from = reinterpret_cast<const uint8_t*>(data);
  datagrams->toSend.emplace_back(from, from + length);
  return length;
}

int readBio(BIO* bio, char* data, int length) {
  Datagrams* datagrams = of(bio);
  BIO_clear_retry_flags(bio);
  // An empty datagram would read as the end of a stream, and anybody can forge one.
  while (!datagrams->received.empty() && datagrams->received.front().empty()) datagrams->received.pop_front();
  if (datagrams->received.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const Bytes& first = datagrams->received.front();
  const size_t taken = std::min(first.size(), static_cast<size_t>(std::max(length, 0)));
  memcpy(data, first.data(), taken);
  datagrams->received.pop_front();
  return static_cast<int>(taken);
}

long controlBio(BIO* bio, int command, long, void*) {
  switch (command) {
    case BIO_CTRL_FLUSH:
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
      return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
      return of(bio)->mtu;
    default:
      return 0;
  }
}

int createBio(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

BIO_METHOD* method() {
  static BIO_METHOD* made = [] {
    BIO_METHOD* fresh = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "viaduct datagrams");
    if (fresh == nullptr) return fresh;
    BIO_meth_set_write(fresh, writeBio);
    BIO_meth_set_read(fresh, readBio);
    BIO_meth_set_ctrl(fresh, controlBio);
    BIO_meth_set_create(fresh, createBio);
    return fresh;
  }();
  return made;
}

}  // namespace

BIO* newDatagramBio(Datagrams* datagrams) {
  BIO* bio = method() == nullptr ? nullptr : BIO_new(method());
  if (bio != nullptr) BIO_set_data(bio, datagrams);
  return bio;
}

}  // namespace viaduct
