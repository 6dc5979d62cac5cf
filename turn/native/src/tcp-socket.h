// A TCP socket bound to an address that a listener has too (SO_REUSEPORT), which RFC 6062 §5.2 asks of connections to peers
// and node:net cannot make.
#pragma once
#include "address.h"

namespace viaduct {

/** A socket, not blocking, for the caller to connect and close; -1 with errno. */
int boundTcpSocket(const Address& bind);

}  // namespace viaduct
