// Parsing and printing of indications.
#include "stun.h"

namespace viaduct {
namespace {

constexpr uint32_t kCookie = 0x2112a442;
constexpr uint16_t kDataIndication = 0x0017;
constexpr uint16_t kXorPeerAddress = 0x0012, kData = 0x0013, kDontFragment = 0x001a, kIcmp = 0x8004;
constexpr uint16_t kMessageIntegrity = 0x0008, kMessageIntegritySha256 = 0x001c, kFingerprint = 0x8028;
/** As in stun.ts: more than any real message has. */
constexpr size_t kMaxAttributes = 64;

/** | 0 | family 1 or 2 | port ^ cookie | address ^ (cookie, transaction id) | */
bool readXorAddress(const uint8_t* value, size_t length, const uint8_t* message, Address* out) {
  if (length < 8) return false;
  const size_t ipBytes = value[1] == 1 ? 4 : 16;
  if (length != 4 + ipBytes || (value[1] != 1 && value[1] != 2)) return false;
  *out = Address();
  out->port = static_cast<uint16_t>(read16(value + 2) ^ (kCookie >> 16));
  uint8_t ip[16] = {};
  for (size_t at = 0; at < ipBytes; at++) ip[at] = value[4 + at] ^ message[4 + at];
  static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  const bool mapped = ipBytes == 16 && std::memcmp(ip, kMapped, sizeof kMapped) == 0;
  out->family = ipBytes == 4 || mapped ? AF_INET : AF_INET6;
  std::memcpy(out->ip, mapped ? ip + 12 : ip, out->family == AF_INET ? 4 : 16);
  return true;
}

uint8_t* header(uint8_t* out, const uint8_t* transactionId, size_t bytes) {
  write16(out, kDataIndication);
  write16(out + 2, static_cast<uint32_t>(bytes - kStunHeaderBytes));
  write32(out + 4, kCookie);
  std::memcpy(out + 8, transactionId, kTransactionIdBytes);
  return out + kStunHeaderBytes;
}

uint8_t* xorPeerAddress(uint8_t* out, const uint8_t* message, const Address& peer) {
  const size_t ipBytes = peer.family == AF_INET ? 4 : 16;
  write16(out, kXorPeerAddress);
  write16(out + 2, static_cast<uint32_t>(4 + ipBytes));
  out[4] = 0;
  out[5] = peer.family == AF_INET ? 1 : 2;
  write16(out + 6, peer.port ^ (kCookie >> 16));
  for (size_t at = 0; at < ipBytes; at++) out[8 + at] = peer.ip[at] ^ message[4 + at];
  return out + 8 + ipBytes;
}

/** Sizes and places that the RFC fixes (RFC 8489 §14.5 to §14.7). */
bool sealFits(uint16_t type, size_t length, bool last) {
  if (type == kMessageIntegrity) return length == 20;
  if (type == kMessageIntegritySha256) return length >= 16 && length <= 32 && length % 4 == 0;
  return type != kFingerprint || (length == 4 && last);
}

}  // namespace

bool readSendIndication(const uint8_t* bytes, size_t length, const KnownAttributes& known, SendIndication* out) {
  if (length < kStunHeaderBytes || read32(bytes + 4) != kCookie || (bytes[3] & 3) != 0) return false;
  if (!isSendIndication(bytes, length) || read16(bytes + 2) != length - kStunHeaderBytes) return false;
  const uint8_t* peer = nullptr;
  size_t peerBytes = 0, count = 0;
  int sealed = 0;  // 1 after MESSAGE-INTEGRITY, 2 after -SHA256: what may still follow shrinks
  out->payload = nullptr;
  for (size_t at = kStunHeaderBytes; at < length;) {
    if (count == kMaxAttributes || at + 4 > length) return false;
    const uint16_t type = read16(bytes + at);
    const size_t valueBytes = read16(bytes + at + 2), next = at + 4 + ((valueBytes + 3) & ~size_t{3});
    if (next > length || !sealFits(type, valueBytes, next == length)) return false;
    const bool counts = sealed == 0 || type == kFingerprint || (sealed == 1 && type == kMessageIntegritySha256);
    if (type == kMessageIntegrity && sealed == 0) sealed = 1;
    if (type == kMessageIntegritySha256) sealed = 2;
    const uint8_t* value = bytes + at + 4;
    at = next;
    if (!counts) continue;
    count += 1;
    if (type == kXorPeerAddress && peer == nullptr) {
      peer = value;
      peerBytes = valueBytes;
    } else if (type == kData && out->payload == nullptr) {
      out->payload = value;
      out->length = valueBytes;
    } else if (type == kDontFragment) {
      out->dontFragment = true;
    }
    if (type < 0x8000 && !known[type]) return false;
  }
  return peer != nullptr && out->payload != nullptr && readXorAddress(peer, peerBytes, bytes, &out->peer);
}

size_t dataIndicationBytes(const Address& peer, size_t payload) {
  return kStunHeaderBytes + (peer.family == AF_INET ? 12 : 24) + 4 + ((payload + 3) & ~size_t{3});
}

uint8_t* beginDataIndication(uint8_t* out, const uint8_t* transactionId, const Address& peer, size_t payload) {
  const size_t bytes = dataIndicationBytes(peer, payload);
  uint8_t* data = xorPeerAddress(header(out, transactionId, bytes), out, peer);
  write16(data, kData);
  write16(data + 2, static_cast<uint32_t>(payload));
  for (uint8_t* padding = data + 4 + payload; padding < out + bytes; padding++) *padding = 0;
  return data + 4;
}

/** ICMP, §18.13: | 0, 16 bits | type, 7 bits | code, 9 bits | error data, 32 bits | */
size_t printIcmpIndication(uint8_t* out, const uint8_t* transactionId, const Address& peer, uint8_t type,
                           uint8_t code, uint32_t data) {
  const size_t bytes = kStunHeaderBytes + (peer.family == AF_INET ? 12 : 24) + 12;
  uint8_t* at = xorPeerAddress(header(out, transactionId, bytes), out, peer);
  write16(at, kIcmp);
  write16(at + 2, 8);
  write16(at + 4, 0);
  write16(at + 6, static_cast<uint32_t>((type & 0x7f) << 9 | code));
  write32(at + 8, data);
  return bytes;
}

}  // namespace viaduct
