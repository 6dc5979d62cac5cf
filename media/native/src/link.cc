// Links of a trunk port by remote address.
#include "link.h"

#include <algorithm>

namespace viaduct {

Link* Port::find(const Address& remote) {
  if (latest != nullptr && latest->remote == remote) return latest;
  for (Link* link : links) {
    if (!(link->remote == remote)) continue;
    latest = link;
    return link;
  }
  return nullptr;
}

bool Port::admitStun(const Address& source, int64_t now) {
  if (now / kSecond != stunSecond) {
    stunSecond = now / kSecond;
    strangers = peers = 0;
  }
  const bool peer = std::any_of(links.begin(), links.end(),
                                [&](const Link* link) { return link->remote.sameHost(source); });
  uint32_t& used = peer ? peers : strangers;
  if (used >= stunPerSecond / 2) return false;
  used += 1;
  return true;
}

void Link::move(const Address& to) {
  std::vector<Link*>& links = port->links;
  links.erase(std::remove(links.begin(), links.end(), this), links.end());
  port->latest = nullptr;
  remote = to;
  if (!to) return;
  for (Link* former : links) {
    if (!(former->remote == to)) continue;
    former->remote = Address();
    links.erase(std::find(links.begin(), links.end(), former));
    break;
  }
  links.push_back(this);
}

}  // namespace viaduct
