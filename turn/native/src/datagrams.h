// A BIO that keeps datagrams apart, which memory BIOs do not: one write of OpenSSL is one datagram to send, one read takes
// one that was received. Bounded by what one flight or one received datagram may hold.
#pragma once
#include <openssl/bio.h>

#include <cstdint>
#include <deque>
#include <vector>

namespace viaduct {

using Bytes = std::vector<uint8_t>;

struct Datagrams {
  std::deque<Bytes> received;
  std::vector<Bytes> toSend;
  /** Bytes of payload that fit one datagram on the way to the client. */
  long mtu = 0;
};

/** A BIO over `datagrams`, which must outlive it; null when OpenSSL has no memory. */
BIO* newDatagramBio(Datagrams* datagrams);

}  // namespace viaduct
