// The shard's side of the event ring.
#include "events.h"

namespace viaduct {

bool Events::tell(EventType type, uint32_t handle, uint32_t value, const Address& source, const uint8_t* bytes,
                  size_t length) {
  Event* event = length <= kMaxStunBytes ? ring_.next() : nullptr;
  if (event == nullptr) {
    lost_.add(1);
    return false;
  }
  event->type = type;
  event->handle = handle;
  event->value = value;
  event->source = source;
  event->length = static_cast<uint32_t>(length);
  if (length > 0) std::memcpy(event->bytes, bytes, length);
  ring_.pushed();
  if (!woken_.exchange(true)) wake_();
  return true;
}

}  // namespace viaduct
