// Addresses to and from text and the kernel's structures.
#include "address.h"

#include <arpa/inet.h>

namespace viaduct {

bool parseAddress(const char* text, uint16_t port, Address* out) {
  *out = Address();
  out->port = port;
  if (inet_pton(AF_INET, text, out->ip) == 1) {
    out->family = AF_INET;
  } else if (inet_pton(AF_INET6, text, out->ip) == 1) {
    out->family = AF_INET6;
  }
  return out->family != 0;
}

std::string hostText(const Address& address) {
  char text[INET6_ADDRSTRLEN] = "";
  inet_ntop(address.family, address.ip, text, sizeof text);
  return text;
}

socklen_t toSocket(const Address& address, sockaddr_storage* out) {
  std::memset(out, 0, sizeof(sockaddr_in6));
  if (address.family == AF_INET) {
    auto* four = reinterpret_cast<sockaddr_in*>(out);
    four->sin_family = AF_INET;
    four->sin_port = htons(address.port);
    std::memcpy(&four->sin_addr, address.ip, 4);
    return sizeof *four;
  }
  auto* six = reinterpret_cast<sockaddr_in6*>(out);
  six->sin6_family = AF_INET6;
  six->sin6_port = htons(address.port);
  std::memcpy(&six->sin6_addr, address.ip, 16);
  return sizeof *six;
}

Address fromSocket(const sockaddr_storage& from) {
  Address address;
  address.family = from.ss_family;
  if (from.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(from);
    address.port = ntohs(four.sin_port);
    std::memcpy(address.ip, &four.sin_addr, 4);
  } else if (from.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(from);
    address.port = ntohs(six.sin6_port);
    std::memcpy(address.ip, &six.sin6_addr, 16);
  }
  return address;
}

}  // namespace viaduct
