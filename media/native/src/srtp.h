// SRTP and SRTCP contexts: RFC 3711 §3, RFC 7714. Semantics of media/srtp.ts, byte for byte.
// Trusts no packet: lengths first, then replay, then the tag; only a packet whose tag is right changes memory.
// Bounded: at most `maxSources` SSRCs; a further one is refused, never another forgotten. Lives on one thread.
#pragma once
#include <memory>
#include <vector>

#include "counters.h"
#include "packet.h"
#include "replay-window.h"
#include "srtp-keys.h"

namespace viaduct {

/** What a step made of a packet: its bytes, or why not. */
struct Outcome {
  bool ok;
  Drop drop;
  bool newest;  // its index is the highest so far of its SSRC
  size_t length;

  static Outcome dropped(Drop reason) { return {false, reason, false, 0}; }
  static Outcome made(size_t length, bool newest = false) { return {true, Drop::Short, newest, length}; }
};

/** Where one SSRC stands; -1: nothing yet. */
struct SourceState {
  uint32_t ssrc;
  int64_t rtpIndex, rtcpIndex;
  /** Which of the latest indices were used, as in ReplayWindow; not known: all of them. */
  bool hasSeen = false;
  uint32_t rtpSeen[ReplayWindow::kSeenWords] = {}, rtcpSeen[ReplayWindow::kSeenWords] = {};
  /** Senders: how far sequence numbers are moved since the source started over. */
  uint32_t offset = 0;
};

struct CryptoSpec {
  bool protects;
  const Suite* suite;
  std::vector<uint8_t> key, salt, mki;
  size_t maxSources;
  std::vector<SourceState> states;
  ~CryptoSpec();
};

class SrtpContext {
 public:
  /** Bytes that protecting can add: a GCM tag and the SRTCP index. */
  static constexpr size_t kMaxGrowth = kGcmTagBytes + 4;

  /** Null when a size is not the suite's or OpenSSL refuses. */
  static std::shared_ptr<SrtpContext> create(const CryptoSpec& spec);

  std::vector<SourceState> states() const;

  /** RTP of at least 12 bytes to SRTP; `out` has room for `length + kMaxGrowth`. */
  Outcome protectRtp(const uint8_t* packet, size_t length, uint8_t* out);
  Outcome protectRtcp(const uint8_t* packet, size_t length, uint8_t* out);
  /** SRTP to RTP; `out` has room for `length`; `scratch` too, for a packet whose MKI is taken out. */
  Outcome unprotectRtp(const uint8_t* wire, size_t length, uint8_t* out, uint8_t* scratch);
  Outcome unprotectRtcp(const uint8_t* wire, size_t length, uint8_t* out, uint8_t* scratch);

  bool protects() const { return protects_; }

 private:
  struct Source {
    uint32_t ssrc = 0;
    ReplayWindow rtp, rtcp;
    /** Senders only: how far sequence numbers are moved since the source started over, and what would confirm it. */
    uint32_t offset = 0;
    int32_t expected = -1;
  };

  explicit SrtpContext(const CryptoSpec& spec);
  /** A known source, `fresh` prepared for this SSRC, or null when the table is full. */
  Source* source(uint32_t ssrc, Source* fresh);
  void remember(const Source* source, const Source& fresh);
  bool senderIndex(Source* source, uint16_t sequence, int64_t* index);
  bool sealRtp(uint8_t* out, size_t header, const uint8_t* packet, size_t length, uint32_t ssrc, int64_t index);
  bool sealRtcp(uint8_t* out, const uint8_t* packet, size_t length, uint32_t ssrc, uint32_t index);
  bool openRtp(const uint8_t* packet, size_t header, size_t end, uint32_t ssrc, int64_t index, uint8_t* out);
  bool openRtcp(const uint8_t* packet, size_t length, size_t end, uint32_t ssrc, uint32_t trailer, uint8_t* out);
  /** Takes out the MKI, `tagBytes` before the end (§3.1; RFC 7714 puts it last). False when it is wrong. */
  bool withoutMki(const uint8_t** wire, size_t* length, size_t tagBytes, uint8_t* scratch) const;

  const Suite& suite_;
  const bool protects_;
  const std::vector<uint8_t> mki_;
  const size_t maxSources_;
  SessionKeys rtp_, rtcp_;
  std::vector<Source> sources_;
};

}  // namespace viaduct
