// The table of clients.
#include "allocation.h"

namespace viaduct {

ClientTable::ClientTable(size_t most, uint64_t seed) : seed_(seed) {
  size_t size = 256;
  while (size < most) size *= 2;
  buckets_.assign(size, nullptr);
}

Allocation* ClientTable::find(const TurnSocket& listener, const Address& remote) const {
  Allocation* found = buckets_[hashOf(remote, seed_) & (buckets_.size() - 1)];
  while (found != nullptr && !(found->client.remote == remote && found->client.listener.get() == &listener))
    found = found->next;
  return found;
}

void ClientTable::add(Allocation& allocation) {
  if (allocation.client.listener == nullptr) return;
  Allocation** head = bucket(allocation.client.remote);
  allocation.next = *head;
  *head = &allocation;
}

void ClientTable::remove(Allocation& allocation) {
  if (allocation.client.listener == nullptr) return;
  Allocation** at = bucket(allocation.client.remote);
  while (*at != nullptr && *at != &allocation) at = &(*at)->next;
  if (*at != nullptr) *at = allocation.next;
  allocation.next = nullptr;
}

}  // namespace viaduct
