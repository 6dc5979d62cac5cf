// Opening of UDP sockets.
#include "socket.h"

#include <netinet/udp.h>

#include <cerrno>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace viaduct {
namespace {

/** Beyond the limit of the machine where the process may, else up to it. */
void setBuffer(int fd, int forced, int plain, int bytes) {
  if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) == 0) return;
  setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);
}

}  // namespace

int bindUdp(const Address& bind, uint32_t bufferBytes, bool trains) {
  const int fd = socket(bind.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  const int on = 1, bytes = static_cast<int>(bufferBytes);
  if (bind.family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bytes > 0) {
    setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
    setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, bytes);
  }
  if (trains) setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);  // an old kernel just does not join packets
  sockaddr_storage address;
  const socklen_t length = toSocket(bind, &address);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

Address boundAddress(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return fromSocket(address);
}

}  // namespace viaduct
