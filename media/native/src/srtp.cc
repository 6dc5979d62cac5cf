// The SRTP and SRTCP transforms on whole packets.
#include "srtp.h"

#include <openssl/crypto.h>

#include <cstring>

namespace viaduct {
namespace {

/** Indices from which a key must not protect further packets (RFC 3711 §9.2, §3.4). */
constexpr int64_t kRtpIndexLimit = int64_t{1} << 48;
constexpr int64_t kRtcpIndexLimit = int64_t{1} << 31;
/** Bit 31 of the word after an SRTCP packet: the rest of the word is the index (§3.4). */
constexpr uint32_t kEncrypted = 0x80000000;

/** RFC 3711 §3.3.1, appendix A. Negative when the guess lies before the start of the stream. */
int64_t estimateIndex(int64_t highest, uint16_t sequence) {
  if (highest < 0) return sequence;
  const int64_t last = highest % 65536;
  int64_t rollover = highest / 65536;
  if (last < 32768) {
    if (sequence - last > 32768) rollover -= 1;
  } else if (last - 32768 > sequence) {
    rollover += 1;
  }
  return rollover * 65536 + sequence;
}

void xor32(uint8_t* at, uint32_t value) { write32(at, read32(at) ^ value); }

/** AES-CM counter start of §4.1.1: salt * 2^16 XOR SSRC * 2^64 XOR index * 2^16. */
void counterBlock(const uint8_t* salt, uint32_t ssrc, int64_t index, uint8_t block[16]) {
  std::memcpy(block, salt, 14);
  block[14] = block[15] = 0;
  xor32(block + 4, ssrc);
  xor32(block + 8, static_cast<uint32_t>(index >> 16));
  block[12] ^= static_cast<uint8_t>(index >> 8);
  block[13] ^= static_cast<uint8_t>(index);
}

/** GCM nonce of RFC 7714 §8.1: | 0 0 | SSRC | ROC | SEQ | XOR salt. */
void rtpNonce(const uint8_t* salt, uint32_t ssrc, int64_t index, uint8_t nonce[12]) {
  std::memcpy(nonce, salt, 12);
  xor32(nonce + 2, ssrc);
  xor32(nonce + 6, static_cast<uint32_t>(index >> 16));
  nonce[10] ^= static_cast<uint8_t>(index >> 8);
  nonce[11] ^= static_cast<uint8_t>(index);
}

/** GCM nonce of RFC 7714 §9.1: | 0 0 | SSRC | 0 0 | 0 + SRTCP index | XOR salt. */
void rtcpNonce(const uint8_t* salt, uint32_t ssrc, uint32_t index, uint8_t nonce[12]) {
  std::memcpy(nonce, salt, 12);
  xor32(nonce + 2, ssrc);
  xor32(nonce + 8, index);
}

}  // namespace

CryptoSpec::~CryptoSpec() {
  OPENSSL_cleanse(key.data(), key.size());
  OPENSSL_cleanse(salt.data(), salt.size());
}

SrtpContext::SrtpContext(const CryptoSpec& spec)
    : suite_(*spec.suite), protects_(spec.protects), mki_(spec.mki), maxSources_(spec.maxSources) {
  sources_.reserve(std::max(spec.maxSources, spec.states.size()));
  for (const SourceState& state : spec.states) {
    Source fresh;
    Source* known = source(state.ssrc, &fresh);
    Source restored;
    restored.ssrc = state.ssrc;
    restored.rtp = state.hasSeen ? ReplayWindow(state.rtpIndex, state.rtpSeen) : ReplayWindow(state.rtpIndex);
    restored.rtcp = state.hasSeen ? ReplayWindow(state.rtcpIndex, state.rtcpSeen) : ReplayWindow(state.rtcpIndex);
    restored.offset = state.offset;
    if (known == nullptr || known == &fresh) {
      sources_.push_back(restored);
    } else {
      *known = restored;
    }
  }
}

std::shared_ptr<SrtpContext> SrtpContext::create(const CryptoSpec& spec) {
  const Suite& suite = *spec.suite;
  if (spec.key.size() != suite.keyBytes || spec.salt.size() != suite.saltBytes) return nullptr;
  if (spec.mki.size() > kMaxMkiBytes) return nullptr;
  std::shared_ptr<SrtpContext> context(new SrtpContext(spec));
  const uint8_t *key = spec.key.data(), *salt = spec.salt.data();
  const bool done = context->rtp_.derive(suite, key, salt, SessionKeys::Protocol::Rtp, spec.protects) &&
                    context->rtcp_.derive(suite, key, salt, SessionKeys::Protocol::Rtcp, spec.protects);
  return done ? context : nullptr;
}

std::vector<SourceState> SrtpContext::states() const {
  std::vector<SourceState> states;
  for (const Source& source : sources_) {
    SourceState state{source.ssrc, source.rtp.highest(), source.rtcp.highest(), true, {}, {}, source.offset & 0xffff};
    source.rtp.seen(state.rtpSeen);
    source.rtcp.seen(state.rtcpSeen);
    states.push_back(state);
  }
  return states;
}

SrtpContext::Source* SrtpContext::source(uint32_t ssrc, Source* fresh) {
  for (Source& known : sources_)
    if (known.ssrc == ssrc) return &known;
  if (sources_.size() >= maxSources_) return nullptr;
  fresh->ssrc = ssrc;
  return fresh;
}

void SrtpContext::remember(const Source* source, const Source& fresh) {
  if (source == &fresh) sources_.push_back(fresh);
}

/** The index to protect a packet under; false when it was used or its packet comes too late. */
bool SrtpContext::senderIndex(Source* source, uint16_t sequence, int64_t* index) {
  const ReplayWindow& rtp = source->rtp;
  *index = estimateIndex(rtp.highest(), static_cast<uint16_t>(sequence + source->offset));
  const auto verdict = *index < 0 ? ReplayWindow::Verdict::Old : rtp.check(*index);
  if (verdict == ReplayWindow::Verdict::New) return true;
  if (verdict == ReplayWindow::Verdict::Seen) return false;
  // RFC 3550 A.1: two consecutive packets far behind are a source that started over.
  const bool confirmed = sequence == source->expected;
  source->expected = confirmed ? -1 : static_cast<uint16_t>(sequence + 1);
  if (!confirmed) return false;
  *index = rtp.highest() + 1;
  source->offset = static_cast<uint32_t>(*index % 65536) - sequence;
  return true;
}

Outcome SrtpContext::protectRtp(const uint8_t* packet, size_t length, uint8_t* out) {
  const size_t header = rtpHeaderBytes(packet, length);
  if (header == 0) return Outcome::dropped(Drop::Short);
  const uint32_t ssrc = read32(packet + 8);
  Source fresh;
  Source* known = source(ssrc, &fresh);
  if (known == nullptr) return Outcome::dropped(Drop::SourceLimit);
  int64_t index;
  if (!senderIndex(known, read16(packet + 2), &index)) return Outcome::dropped(Drop::Replay);
  if (index >= kRtpIndexLimit) return Outcome::dropped(Drop::KeyExhausted);
  std::memcpy(out, packet, header);
  write16(out + 2, static_cast<uint32_t>(index & 0xffff));
  known->rtp.record(index);  // before sealing: whatever happens, this keystream is not used again
  remember(known, fresh);
  if (!sealRtp(out, header, packet, length, ssrc, index)) return Outcome::dropped(Drop::SendFailed);
  return Outcome::made(length + suite_.rtpTagBytes);
}

bool SrtpContext::sealRtp(uint8_t* out, size_t header, const uint8_t* packet, size_t length, uint32_t ssrc,
                          int64_t index) {
  const size_t payload = length - header;
  if (suite_.aead) {
    uint8_t nonce[12];
    rtpNonce(rtp_.salt(), ssrc, index, nonce);
    return rtp_.seal(nonce, out, header, nullptr, 0, packet + header, payload, out + header, out + length);
  }
  uint8_t block[16], rollover[4], digest[kHmacBytes];
  counterBlock(rtp_.salt(), ssrc, index, block);
  if (payload > 0 && !rtp_.counterMode(block, packet + header, payload, out + header)) return false;
  write32(rollover, static_cast<uint32_t>(index >> 16));
  rtp_.authenticate(out, length, rollover, sizeof rollover, digest);
  std::memcpy(out + length, digest, suite_.rtpTagBytes);
  return true;
}

Outcome SrtpContext::protectRtcp(const uint8_t* packet, size_t length, uint8_t* out) {
  if (length < kRtcpHeaderBytes) return Outcome::dropped(Drop::Short);
  const uint32_t ssrc = read32(packet + 4);
  Source fresh;
  Source* known = source(ssrc, &fresh);
  if (known == nullptr) return Outcome::dropped(Drop::SourceLimit);
  const int64_t index = known->rtcp.highest() + 1;
  if (index >= kRtcpIndexLimit) return Outcome::dropped(Drop::KeyExhausted);
  known->rtcp.record(index);
  remember(known, fresh);
  if (!sealRtcp(out, packet, length, ssrc, static_cast<uint32_t>(index))) return Outcome::dropped(Drop::SendFailed);
  return Outcome::made(length + 4 + suite_.rtcpTagBytes);
}

bool SrtpContext::sealRtcp(uint8_t* out, const uint8_t* packet, size_t length, uint32_t ssrc, uint32_t index) {
  const size_t body = length - kRtcpHeaderBytes;
  uint8_t trailer[4];
  write32(trailer, kEncrypted | index);
  std::memcpy(out, packet, kRtcpHeaderBytes);
  if (suite_.aead) {
    uint8_t nonce[12];
    rtcpNonce(rtcp_.salt(), ssrc, index, nonce);
    std::memcpy(out + length + kGcmTagBytes, trailer, sizeof trailer);
    return rtcp_.seal(nonce, packet, kRtcpHeaderBytes, trailer, sizeof trailer, packet + kRtcpHeaderBytes, body,
                      out + kRtcpHeaderBytes, out + length);
  }
  uint8_t block[16], digest[kHmacBytes];
  counterBlock(rtcp_.salt(), ssrc, index, block);
  if (body > 0 && !rtcp_.counterMode(block, packet + kRtcpHeaderBytes, body, out + kRtcpHeaderBytes)) return false;
  std::memcpy(out + length, trailer, sizeof trailer);
  rtcp_.authenticate(out, length + 4, nullptr, 0, digest);
  std::memcpy(out + length + 4, digest, suite_.rtcpTagBytes);
  return true;
}

bool SrtpContext::withoutMki(const uint8_t** wire, size_t* length, size_t tagBytes, uint8_t* scratch) const {
  if (mki_.empty()) return true;
  if (*length < tagBytes + mki_.size()) return false;
  const size_t at = *length - tagBytes - mki_.size();
  if (std::memcmp(*wire + at, mki_.data(), mki_.size()) != 0) return false;
  std::memcpy(scratch, *wire, at);
  std::memcpy(scratch + at, *wire + at + mki_.size(), tagBytes);
  *wire = scratch;
  *length -= mki_.size();
  return true;
}

Outcome SrtpContext::unprotectRtp(const uint8_t* packet, size_t length, uint8_t* out, uint8_t* scratch) {
  if (!withoutMki(&packet, &length, suite_.aead ? 0 : suite_.rtpTagBytes, scratch)) {
    return Outcome::dropped(Drop::BadTag);
  }
  if (length < kRtpHeaderBytes + suite_.rtpTagBytes) return Outcome::dropped(Drop::Short);
  const size_t end = length - suite_.rtpTagBytes;
  const size_t header = rtpHeaderBytes(packet, end);
  if (header == 0) return Outcome::dropped(Drop::Short);
  const uint32_t ssrc = read32(packet + 8);
  Source fresh;
  Source* known = source(ssrc, &fresh);
  if (known == nullptr) return Outcome::dropped(Drop::SourceLimit);
  const int64_t index = estimateIndex(known->rtp.highest(), read16(packet + 2));
  if (index >= kRtpIndexLimit) return Outcome::dropped(Drop::KeyExhausted);
  if (index < 0 || known->rtp.check(index) != ReplayWindow::Verdict::New) return Outcome::dropped(Drop::Replay);
  if (!openRtp(packet, header, end, ssrc, index, out)) return Outcome::dropped(Drop::BadTag);
  const bool newest = known->rtp.record(index);
  remember(known, fresh);
  return Outcome::made(end, newest);
}

bool SrtpContext::openRtp(const uint8_t* packet, size_t header, size_t end, uint32_t ssrc, int64_t index,
                          uint8_t* out) {
  const size_t payload = end - header;
  std::memcpy(out, packet, header);
  if (suite_.aead) {
    uint8_t nonce[12];
    rtpNonce(rtp_.salt(), ssrc, index, nonce);
    return rtp_.open(nonce, packet, header, nullptr, 0, packet + header, payload, out + header, packet + end);
  }
  uint8_t block[16], rollover[4], digest[kHmacBytes];
  write32(rollover, static_cast<uint32_t>(index >> 16));
  rtp_.authenticate(packet, end, rollover, sizeof rollover, digest);
  if (CRYPTO_memcmp(digest, packet + end, suite_.rtpTagBytes) != 0) return false;
  counterBlock(rtp_.salt(), ssrc, index, block);
  return payload == 0 || rtp_.counterMode(block, packet + header, payload, out + header);
}

Outcome SrtpContext::unprotectRtcp(const uint8_t* packet, size_t length, uint8_t* out, uint8_t* scratch) {
  if (!withoutMki(&packet, &length, suite_.aead ? 0 : suite_.rtcpTagBytes, scratch)) {
    return Outcome::dropped(Drop::BadTag);
  }
  if (length < kRtcpHeaderBytes + suite_.rtcpTagBytes + 4) return Outcome::dropped(Drop::Short);
  const size_t end = length - suite_.rtcpTagBytes - 4;
  const uint32_t ssrc = read32(packet + 4);
  Source fresh;
  Source* known = source(ssrc, &fresh);
  if (known == nullptr) return Outcome::dropped(Drop::SourceLimit);
  const uint32_t trailer = read32(packet + (suite_.aead ? length - 4 : end));
  const int64_t index = trailer & ~kEncrypted;
  if (known->rtcp.check(index) != ReplayWindow::Verdict::New) return Outcome::dropped(Drop::Replay);
  if (!openRtcp(packet, length, end, ssrc, trailer, out)) return Outcome::dropped(Drop::BadTag);
  const bool newest = known->rtcp.record(index);
  remember(known, fresh);
  return Outcome::made(end, newest);
}

/** A packet with the E flag unset is authenticated only (§3.4). */
bool SrtpContext::openRtcp(const uint8_t* packet, size_t length, size_t end, uint32_t ssrc, uint32_t trailer,
                           uint8_t* out) {
  const uint32_t index = trailer & ~kEncrypted;
  const size_t head = (trailer & kEncrypted) != 0 ? kRtcpHeaderBytes : end;
  const size_t body = end - head;
  std::memcpy(out, packet, head);
  if (suite_.aead) {
    uint8_t nonce[12], word[4];
    rtcpNonce(rtcp_.salt(), ssrc, index, nonce);
    write32(word, trailer);
    return rtcp_.open(nonce, packet, head, word, sizeof word, packet + head, body, out + head, packet + end);
  }
  uint8_t block[16], digest[kHmacBytes];
  rtcp_.authenticate(packet, end + 4, nullptr, 0, digest);
  if (CRYPTO_memcmp(digest, packet + end + 4, suite_.rtcpTagBytes) != 0) return false;
  counterBlock(rtcp_.salt(), ssrc, index, block);
  return body == 0 || rtcp_.counterMode(block, packet + head, body, out + head);
}

}  // namespace viaduct
