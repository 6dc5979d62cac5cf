// See tcp-socket.h.
#include "tcp-socket.h"

#include <unistd.h>

#include <cerrno>

namespace viaduct {

int boundTcpSocket(const Address& bind) {
  const int socket = ::socket(bind.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket < 0) return -1;
  const int on = 1;
  sockaddr_storage at;
  const socklen_t length = toSocket(bind, &at);
  const bool isBound = setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                       setsockopt(socket, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0 &&
                       (bind.family != AF_INET6 || setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
                       ::bind(socket, reinterpret_cast<sockaddr*>(&at), length) == 0;
  if (isBound) return socket;
  const int error = errno;
  ::close(socket);
  errno = error;
  return -1;
}

}  // namespace viaduct
