// The little of STUN that the data path speaks (RFC 8656 §11): Send indications in, Data indications out. What is
// accepted is what turn/stun.ts and turn/relay/indications.ts accept, attribute by attribute.
#pragma once
#include <bitset>

#include "address.h"
#include "bytes.h"

namespace viaduct {

constexpr size_t kStunHeaderBytes = 20;
constexpr size_t kTransactionIdBytes = 12;
/** XOR-PEER-ADDRESS of IPv6 and the header of DATA: what a Data indication adds at most, before padding. */
constexpr size_t kMaxDataHeadBytes = kStunHeaderBytes + 24 + 4;
/** The longest payload of a Data indication: STUN's 65,532 bytes less its attributes. */
constexpr size_t kMaxDataBytes = 65532 - 24 - 4;

/** Attribute types below 0x8000 that are understood; set once. */
using KnownAttributes = std::bitset<0x8000>;

struct SendIndication {
  Address peer;
  const uint8_t* payload = nullptr;
  size_t length = 0;
  bool dontFragment = false;
};

inline bool isSendIndication(const uint8_t* bytes, size_t length) { return length >= 2 && read16(bytes) == 0x0016; }
inline bool looksLikeChannelData(const uint8_t* bytes, size_t length) {
  return length >= 4 && (bytes[0] & 0xc0) == 0x40;
}

/** False when it is malformed, lacks peer or data, or has an attribute that must be understood and is not. */
bool readSendIndication(const uint8_t* bytes, size_t length, const KnownAttributes& known, SendIndication* out);

/** Writes head and attributes up to where `payload` bytes of data follow, then their padding; returns where they go. */
uint8_t* beginDataIndication(uint8_t* out, const uint8_t* transactionId, const Address& peer, size_t payload);
/** Bytes of the whole message. */
size_t dataIndicationBytes(const Address& peer, size_t payload);

/** An ICMP error about what was sent to `peer` (§11.5); returns the bytes written, at most 56. */
size_t printIcmpIndication(uint8_t* out, const uint8_t* transactionId, const Address& peer, uint8_t type,
                           uint8_t code, uint32_t data);

}  // namespace viaduct
