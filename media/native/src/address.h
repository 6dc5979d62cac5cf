// A UDP endpoint as bytes that compare with memcmp. IPv4 and IPv6 never equal each other: sockets are IPv6-only.
#pragma once
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace viaduct {

struct Address {
  uint16_t family = 0;  // AF_INET, AF_INET6; 0 for none
  uint16_t port = 0;    // host order
  uint8_t ip[16] = {};  // IPv4 in the first four bytes

  bool operator==(const Address& other) const { return std::memcmp(this, &other, sizeof *this) == 0; }
  bool sameHost(const Address& other) const {
    return family == other.family && std::memcmp(ip, other.ip, sizeof ip) == 0;
  }
  explicit operator bool() const { return family != 0; }
};
static_assert(sizeof(Address) == 20, "compared with memcmp: no padding");

/** Numeric text to an address; false when it is neither IPv4 nor IPv6. */
bool parseAddress(const char* text, uint16_t port, Address* out);
std::string hostText(const Address& address);

/** Fills `out`; returns the length that the kernel wants. */
socklen_t toSocket(const Address& address, sockaddr_storage* out);
Address fromSocket(const sockaddr_storage& from);

}  // namespace viaduct
