// Looking up who may be talked to.
#include "peers.h"

namespace viaduct {
namespace {

Address hostOf(const Address& address) {
  Address host = address;
  host.port = 0;
  return host;
}

uint32_t hashOf(uint16_t number) { return number * 0x9e3779b1u >> 7; }

Address translated(const Address& address, const std::vector<OwnAddress>& own, Address OwnAddress::*from,
                   Address OwnAddress::*to) {
  for (const OwnAddress& each : own) {
    if (!address.sameHost(each.*from)) continue;
    Address found = each.*to;
    found.port = address.port;
    return found;
  }
  return address;
}

}  // namespace

Address reachableOf(const Address& address, const std::vector<OwnAddress>& own) {
  return own.empty() ? address : translated(address, own, &OwnAddress::announced, &OwnAddress::reachable);
}

Address announcedOf(const Address& address, const std::vector<OwnAddress>& own) {
  return own.empty() ? address : translated(address, own, &OwnAddress::reachable, &OwnAddress::announced);
}

bool Permission::allows(uint16_t port) const {
  if (port == 0 || anyPort) return port != 0;
  for (const PortRange& range : ports)
    if (port >= range.first && port <= range.last) return true;
  return false;
}

void Peers::Index::reserve(size_t count) {
  size_t size = 4;
  while (size < 2 * count) size *= 2;
  if (count > 0) slots_.assign(size, kNone);
}

void Peers::Index::add(uint32_t hash, uint16_t place) {
  size_t at = hash & (slots_.size() - 1);
  while (slots_[at] != kNone) at = (at + 1) & (slots_.size() - 1);
  slots_[at] = place;
}

Peers::Peers(std::vector<Permission> permissions, std::vector<Channel> channels, const std::vector<OwnAddress>& own)
    : permissions_(std::move(permissions)), channels_(std::move(channels)) {
  byHost_.reserve(permissions_.size());
  byNumber_.reserve(channels_.size());
  byPeer_.reserve(channels_.size());
  for (size_t at = 0; at < permissions_.size(); at++)
    byHost_.add(hashOf(permissions_[at].host, 0), static_cast<uint16_t>(at));
  for (size_t at = 0; at < channels_.size(); at++) {
    const Channel& channel = channels_[at];
    byNumber_.add(hashOf(channel.number), static_cast<uint16_t>(at));
    byPeer_.add(hashOf(channel.peer, 0), static_cast<uint16_t>(at));
    reached_.push_back(reachableOf(channel.peer, own));
    allowing_.push_back(permission(channel.peer));
  }
  ways_.reset(new Way[permissions_.size() + channels_.size()]);
}

const Permission* Peers::permission(const Address& peer) const {
  const Address host = hostOf(peer);
  const uint16_t place = byHost_.find(hashOf(host, 0), [&](uint16_t at) { return permissions_[at].host == host; });
  return place == Index::kNone ? nullptr : &permissions_[place];
}

RelayDrop Peers::judge(const Permission* permission, uint16_t port) const {
  if (permission == nullptr) return RelayDrop::NoPermission;
  return permission->allows(port) ? RelayDrop::None : RelayDrop::PortDenied;
}

RelayDrop Peers::toPeer(const uint8_t* bytes, size_t length, const KnownAttributes& known,
                        const std::vector<OwnAddress>& own, Outbound* out) const {
  if (looksLikeChannelData(bytes, length)) {
    out->payload = bytes + 4;
    out->length = read16(bytes + 2);
    if (4 + out->length > length) return RelayDrop::Malformed;
    const uint16_t number = read16(bytes);
    const uint16_t at = byNumber_.find(hashOf(number), [&](uint16_t place) { return channels_[place].number == number; });
    if (at == Index::kNone) return RelayDrop::UnknownChannel;
    out->to = reached_[at];
    out->way = &ways_[at];
    return judge(allowing_[at], channels_[at].peer.port);
  }
  SendIndication send;
  if (!readSendIndication(bytes, length, known, &send)) return RelayDrop::Malformed;
  const Permission* permitted = permission(send.peer);
  const RelayDrop verdict = judge(permitted, send.peer.port);
  if (verdict != RelayDrop::None) return verdict;
  out->payload = send.payload;
  out->length = send.length;
  out->to = reachableOf(send.peer, own);
  out->way = &ways_[channels_.size() + static_cast<size_t>(permitted - permissions_.data())];
  out->dontFragment = send.dontFragment;
  return RelayDrop::None;
}

RelayDrop Peers::fromPeer(const Address& source, uint16_t* channel) const {
  const uint16_t at = byPeer_.find(hashOf(source, 0), [&](uint16_t place) { return channels_[place].peer == source; });
  *channel = at == Index::kNone ? 0 : channels_[at].number;
  return judge(at == Index::kNone ? permission(source) : allowing_[at], source.port);
}

}  // namespace viaduct
