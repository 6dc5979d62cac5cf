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

void setOptions(int fd, int family, uint32_t bufferBytes, bool trains) {
  const int on = 1, bytes = static_cast<int>(bufferBytes);
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bytes > 0) {
    setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, bytes);
    setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, bytes);
  }
  if (trains) setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on);  // an old kernel just does not join packets
}

}  // namespace

int bindUdp(const Address& bind, uint32_t bufferBytes, bool trains) {
  const int fd = socket(bind.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  setOptions(fd, bind.family, bufferBytes, trains);
  sockaddr_storage address;
  const socklen_t length = toSocket(bind, &address);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0) return fd;
  const int error = errno;
  ::close(fd);
  errno = error;
  return -1;
}

int connectBeside(const Socket& first, const Address& remote, uint32_t bufferBytes) {
  // The port is shared with this socket and only while it is bound: nobody else can have been let in.
  const int on = 1, off = 0;
  const int fd = socket(remote.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  setOptions(fd, remote.family, bufferBytes, true);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  setsockopt(first.fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  sockaddr_storage at, to;
  const socklen_t atBytes = toSocket(first.bound, &at), toBytes = toSocket(remote, &to);
  const bool done = ::bind(fd, reinterpret_cast<sockaddr*>(&at), atBytes) == 0 &&
                    ::connect(fd, reinterpret_cast<sockaddr*>(&to), toBytes) == 0;
  setsockopt(first.fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
  if (done) return fd;
  ::close(fd);
  return -1;
}

Address boundAddress(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return fromSocket(address);
}

}  // namespace viaduct
