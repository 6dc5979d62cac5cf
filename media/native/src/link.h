// Sockets, links and flows as the shard sees them. The JavaScript thread makes and destroys these objects; between
// a command that shows one to the shard and the command that takes it away, only the shard touches what is not
// atomic in it.
#pragma once
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include "capture.h"
#include "counters.h"
#include "probe-table.h"
#include "rewrite.h"
#include "rtp-reception.h"
#include "socket.h"
#include "srtp.h"

namespace viaduct {

constexpr uint32_t kFirstChannel = 0x4000;
constexpr uint32_t kChannels = 0x10000 - kFirstChannel;

struct Flow;
struct Link;
struct Port;

/** A socket beside a port that is connected to whom the port sends much: the kernel looks up the way there once. */
struct Direct : Socket {
  Port* port = nullptr;
  Address peer;
};

/** A socket of media, or of links. */
struct Port : Socket {
  uint32_t shard = 0;  // whose thread receives here: the JavaScript thread's to know
  uint8_t dscp = 0;    // set on the socket: likewise
  bool trunk = false;
  Flow* flow = nullptr;  // media: who gets what arrives
  // Media, the shard's: the socket beside it, and how often in a row something else was sent to one address.
  std::unique_ptr<Direct> direct;
  Address streakTo;
  uint32_t streak = 0;

  // Trunk: its links by remote. Few, so a list, the one of the last packet first; STUN is bounded per second, half
  // of it kept for the addresses of live links so that a flood cannot silence a peer's keepalive.
  std::vector<Link*> links;
  Link* latest = nullptr;
  uint32_t stunPerSecond = 0;
  int64_t stunSecond = -1;
  uint32_t strangers = 0, peers = 0;

  Link* find(const Address& remote);
  bool admitStun(const Address& source, int64_t now);
};

/** One remote 5-tuple on a trunk port; streams told apart by ChannelData (RFC 8656 §12.4). */
struct Link {
  Link() : channels(static_cast<Flow**>(std::calloc(kChannels, sizeof(Flow*)))) {
    std::fill(&openTrains[0][0], &openTrains[0][0] + kMarks * kSizes, -1);
  }
  ~Link() { std::free(channels); }
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  uint32_t id = 0;
  std::shared_ptr<Port> port;
  Address remote;
  Flow** const channels;  // by channel - kFirstChannel
  LinkCounters counters;
  /** Trains of the outbox that can still grow, by mark and size. */
  static constexpr size_t kMarks = 4, kSizes = 9;
  int32_t openTrains[kMarks][kSizes];

  /** Gives or takes the remote; a link of this port that had it before loses it. */
  void move(const Address& to);
};

struct Output {
  std::shared_ptr<Port> port;  // either a port and a remote
  Address remote;
  std::shared_ptr<Link> link;  // or a link and a channel; neither: nowhere
  uint16_t channel = 0;
  uint8_t dscp = 0;  // RFC 2474; on a link by packet, on a port by socket
};

enum class Accept : uint8_t { None, Exact, Host };

/** The part of a flow that a change replaces as a whole; never written once the shard may see it. */
struct FlowConfig {
  Accept accept = Accept::None;
  Address source;
  std::vector<std::shared_ptr<SrtpContext>> unprotect;
  std::shared_ptr<SrtpContext> protect;
  Output rtp, rtcp;
  std::shared_ptr<const Rewrite> rewrite;  // null: headers stay as they are
  std::shared_ptr<Capture> capture;        // null: nobody looks
  CaptureView view = CaptureView::In;
  uint32_t clockRate = 8000;  // of RTP timestamps, for the jitter
};

struct Probe {
  std::shared_ptr<Link> link;
  uint16_t channel;
  ProbeTable table;
};

/** One direction: input, unprotect, protect, output. */
struct Flow {
  uint32_t id = 0;
  bool opaque = false;
  bool passthrough = false;
  bool tokened = false;
  std::shared_ptr<FlowConfig> config;
  std::unique_ptr<Probe> probe;
  FlowCounters counters;
  RtpReception reception;
  std::atomic<int64_t> passedAt{0};
  std::atomic<bool> idle{false};
  Address latest;  // of an address-only source: the one last told
  EventRate<16> proofs{kSecond};
  EventRate<16> checks{kSecond};
  EventRate<1> moves{kSecond / 4};
};

}  // namespace viaduct
