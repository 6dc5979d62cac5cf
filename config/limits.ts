// Limits that are not settings: each bounds memory that a peer could make us hold, and none is worth an operator's time.
// What breaks when one is too low stands beside it; each is counted when it is hit.

/** Limits of one link between edge and core. */
export const LINK_LIMITS = {
  /** Above ssh2's window of 2 MiB and its stream buffer, so that only a peer which ignores the window reaches it. */
  maxReceivedBytesPerChannel: 4 * 1024 * 1024,
  /** All stalled requests of one link together; too low and slow downloads end early. */
  maxReceivedBytesPerLink: 256 * 1024 * 1024,
  /** Unsent bytes at which requests pause; more fills no link better and lets control messages wait longer. */
  socketPauseBytes: 1024 * 1024,
  /** Unsent bytes at which the link counts as stuck. */
  maxQueuedBytes: 16 * 1024 * 1024,
  maxControlQueuedBytes: 4 * 1024 * 1024,
  /** Control requests waiting for an answer, each way: a burst of call set-ups is two for each call. */
  maxOutstandingRequests: 4_096,
  maxHandledRequests: 4_096,
  /** Bytes of a stranger on 2222 before its login: banner, key exchange and one signature need 8 KiB. */
  maxStrangerBytes: 16 * 1024,
  /** A link that lived this long starts its pauses anew. */
  goodAfterMs: 5_000,
  /** New connections per second from one address: six cores that return together need 12. */
  perAddressPerSecond: 20,
  perAddressBurst: 40,
  maxAddresses: 4_096,
} as const;

/** What one HTTP message may be on every hop; the client side's head size is a setting. */
export const HTTP_LIMITS = {
  maxTargetBytes: 8 * 1024,
  maxHeaders: 100,
  maxHeaderNameBytes: 256,
  /** Heads between edge and core, and answers from inside: the client's head and what edge adds. */
  maxInnerHeadBytes: 128 * 1024,
  /** A body must bring this much in each body timeout; below it a client only holds a connection. */
  minBodyBytes: 1024,
  /** How long an answer waits for a reader that takes nothing. */
  writeMs: 60_000,
  /** After a refusal the client may finish what it sends, so that it can read the answer. */
  lingerBytes: 64 * 1024,
  lingerMs: 2_000,
  /** Bytes held for a slow reader: two of these for each request under way. */
  maxBufferedBytes: 1024 * 1024,
  maxRequestsPerConnection: 1_000_000,
  maxInterim: 8,
  /** TLS handshakes under way at one door. */
  maxHandshakes: 512,
  maxWaitingForChannel: 4_096,
  channelWaitMs: 10_000,
  channelIdleMs: 60_000,
  responseMs: 120_000,
  retryAfterSeconds: 30,
  sweepMs: 1_000,
} as const;

/** What SIP may hold in memory. */
export const SIP_LIMITS = {
  /** Nonces of core's own challenges: as long and as often as Expressway lets one be used. */
  nonces: { lifetimeMs: 300_000, maxUses: 128, maxNonces: 10_000 },
  /** TLS handshakes under way at the door. */
  maxHandshakes: 512,
  maxHeaderLines: 256,
  /** Clients connected and not registered: each may hold one message. */
  maxUnproven: 10_000,
  unprovenTimeoutMs: 120_000,
  maxPendingPerConnection: 64,
  maxPendingUnproven: 4,
  /** Bytes waiting for one client that reads slowly. */
  maxQueueBytes: 1024 * 1024,
  /** The same before a registration: two answers of the largest size. */
  maxQueueBytesUnproven: 64 * 1024,
  /** Refused calls of one connection that wait for their ACK; a phone has one or two. */
  maxUnacknowledged: 4,
  /** A link carries everybody; its queue must hold a burst of a few thousand messages. */
  maxLinkQueueBytes: 32 * 1024 * 1024,
  maxTransactions: 100_000,
  closeTimeoutMs: 2_000,
  maxDialogs: 50_000,
  /** Subscriptions and the like of one user: a Jabber-class client has about ten per contact list. */
  maxUsagesPerUser: 200,
  maxRegistrationsPerConnection: 20,
  maxInsideConnections: 1_024,
  acknowledgeTimeoutMs: 32_000,
  /** A dialog without any message for this long is forgotten: twice the longest session interval in use. */
  maxSilenceMs: 4 * 3_600_000,
  /** A dialog that ended is remembered this long for late answers (64 × T1, RFC 3261 §17). */
  lingerMs: 32_000,
  avoidNodeMs: 30_000,
  expiryGraceMs: 30_000,
  /** STUN on the connections to call control, as Expressway does (mra-wire §3.7). */
  nodePingMs: 30_000,
  nodeDeadMs: 45_000,
  /** Log lines; the rest is counted. A burst may be ten times as long. */
  lines: { maxRefusalLinesPerSecond: 20, maxRecordLinesPerSecond: 500 },
  /** Longer than a core takes to come back from a restart, with its registrations (T-068). */
  rehomeAfterMs: 15_000,
  maxRehomedPerSecond: 200,
  /** BYE and ACK while the link between edge and core is down. A phone gives up by itself after 32 s. */
  linkWait: {
    linkWaitMs: 10_000,
    linkKeepMs: 600_000,
    maxLinkWaiting: 4_096,
    maxLinkWaitingPerOwner: 16,
    maxLinkWaitingBytes: 8 * 1024 * 1024,
  },
} as const;

/** What the media plane may hold. */
export const MEDIA_LIMITS = {
  maxPorts: 50_000,
  maxFlows: 100_000,
  maxLinks: 64,
  /** SSRCs that one SRTP key remembers: a call that is transferred more often falls silent. */
  maxSourcesPerKey: 256,
  stunPerSecond: 200,
  trunkBufferBytes: 4 * 1024 * 1024,
  /** Of all captures of calls together. */
  maxCaptureBytes: 64 * 1024 * 1024,
  engineSweepMs: 500,
  /** How long a port pair rests, so that a late packet of the last call does not meet the next. */
  portQuarantineMs: 5_000,
  maxPendingSources: 8,
  probePacketsPerSecond: 50,
  maxStreamsPerSession: 32,
  maxSessions: 10_000,
  helloIntervalMs: 1_500,
  linkDeadMs: 4_000,
  linkRebindMs: 10_000,
  /** Ranges that are never a phone's: this host, loopback, link-local, multicast and beyond (T-017). */
  deniedCandidates: [
    '0.0.0.0/8',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '224.0.0.0/3',
    '::/128',
    '::1/128',
    '64:ff9b::/96',
    'fe80::/10',
    'ff00::/8',
  ],
  /** Deployment guide X14.3, "View ICE Passthrough Metrics": intervals of 24 hours, the 60 latest kept. */
  iceIntervalMs: 24 * 60 * 60 * 1000,
  maxIceIntervals: 60,
} as const;

/** What TURN may hold besides its settings. */
export const TURN_LIMITS = {
  nonceLifetimeMs: 600_000,
  defaultLifetimeMs: 600_000,
  permissionLifetimeMs: 300_000,
  channelLifetimeMs: 600_000,
  reservationMs: 30_000,
  portQuarantineMs: 5_000,
  maxBindTries: 8,
  /** RFC 6062 §5.2: at least 30 s for a peer to answer, 30 s for a client to bind. */
  connectTimeoutMs: 30_000,
  bindTimeoutMs: 30_000,
  maxConnectionsPerAllocation: 16,
  /** An ICE agent asks for one permission per address of its peer; a conference for one per member. */
  maxPermissionsPerAllocation: 64,
  maxChannelsPerAllocation: 64,
  /** A challenge is at most this many times its request; with less, the smallest Binding request gets none. */
  maxRefusalRatio: 5,
  maxHandshakes: 512,
  handshakeTimeoutMs: 10_000,
  /** A stream must have its allocation by then. */
  unprovenTimeoutMs: 30_000,
  /** No request is longer. */
  maxUnprovenFrameBytes: 2_048,
  /** A Data indication with the longest datagram. */
  maxFrameBytes: 65_556,
  /** Datagrams of a DTLS handshake: what every path carries in one piece, IPv6 through a tunnel among them. */
  dtlsMtuBytes: 1_232,
  listenerBufferBytes: 4 * 1024 * 1024,
  relayBufferBytes: 256 * 1024,
  /** A client sets up its permissions and channels in one burst; what is beyond waits among strangers. */
  controlsPerSecond: 100,
  sweepMs: 1_000,
  tickMs: 1_000,
} as const;

/** What messaging may hold besides its settings. Lengths of elements are in UTF-16 units. */
export const XMPP_LIMITS = {
  /** Before TLS: a stream header and one empty element. */
  clear: { maxElementLength: 4 * 1024, maxDepth: 2, maxAttributes: 16, maxElements: 4 },
  /** Sign-in: one SASL message, which may hold a token or a ticket. */
  signIn: { maxElementLength: 32 * 1024, maxDepth: 4, maxAttributes: 16, maxElements: 16 },
  /** A stanza: the deepest in use are forms inside commands inside forwarded messages, about 20. */
  session: { maxDepth: 64, maxAttributes: 64, maxElements: 8 * 1024 },
  /** What a server inside may send: a contact list of some thousand entries is one stanza. */
  server: { maxElementLength: 8 * 1024 * 1024, maxDepth: 128, maxAttributes: 256, maxElements: 128 * 1024 },
  /** At core, what edge printed anew: a character may have become an entity of six. */
  printedAnew: 6,
  /** Largest frame on the link: above one element of a server and what came with it. */
  maxFrameBytes: 32 * 1024 * 1024,
  burstSeconds: 2,
  maxHandshakes: 512,
  handshakeTimeoutMs: 10_000,
  writeTimeoutMs: 60_000,
  closeTimeoutMs: 2_000,
} as const;

/** What federation may hold besides its settings and the limits of messaging. */
export const FEDERATION_LIMITS = {
  maxHandshakes: 128,
  /** Keys that one connection may ask about, and proofs that it may fail. */
  maxQuestionsPerConnection: 64,
  /** Questions of dialback under way, as a share of the streams to partners. */
  questionShare: 0.25,
  /** Pairs that a server inside may carry on one connection. */
  maxPairsPerConnection: 1_000,
  maxFrameBytes: 32 * 1024 * 1024,
} as const;

/** Core's own questions to call control, and what access control keeps. */
export const CORE_LIMITS = {
  /** How long a directory server that failed is asked last. */
  directoryRestMs: 30_000,
  /** get_edge_sso with a look inside: answers kept, users remembered, questions under way at once. */
  internalCheck: { keepMs: 300_000, maxUsers: 50_000, maxAtOnce: 32 },
  maxConnectionsPerService: 64,
  maxWaitingPerService: 1_024,
  serviceWaitMs: 10_000,
  serviceIdleMs: 30_000,
  maxUdsConnections: 8,
  maxUdsBytes: 1024 * 1024,
  maxUsersAtOnce: 256,
  maxWaitingPerUser: 16,
  maxRevocationsKept: 100_000,
  revocationRefreshMs: 5_000,
  maxTriesPerQuestion: 3,
  maxCounters: 100_000,
} as const;

/** Single sign-on. */
export const SIGN_ON_LIMITS = {
  maxPending: 50_000,
  /** Refused when full: forgetting one early would let it be used twice. */
  maxUsedAssertions: 200_000,
  maxTokens: 200_000,
  fetchMs: 10_000,
  maxMetadataBytes: 2 * 1024 * 1024,
  retryMs: 60_000,
} as const;

/** The store and its journal. */
export const STORE_LIMITS = {
  /** What a crash may lose. */
  flushMs: 100,
  /** Changes per transaction: bounds how long one holds up everything else. */
  maxBatch: 500,
  /** Pause before a broken journal is tried again. */
  retryMs: 5_000,
  sweepMs: 1_000,
  maxEntryLength: 16 * 1024,
} as const;

/** Own rules of the allow list that change while core runs: one entry, a rules file. */
export const RULE_BOOK_LIMITS = { maxEntries: 1, maxEntryLength: 8 * 1024 * 1024 } as const;

/** What a process remembers of requests, to explain them: about 500 bytes each. */
export const MAX_DECISION_BYTES = 4 * 1024 * 1024;

/** What intrusion protection keeps; 100,000 of each take 60 MiB, the store's copy included (`bench -- auth`). */
export const BAN_LIMITS = {
  maxBans: 100_000,
  maxCounters: 100_000,
  maxHistory: 1_000,
  /** Bans that core believes one edge at once, and for how long: a captured edge can keep out no more than this. */
  maxReportedPerEdge: 10_000,
  maxReportedMs: 86_400_000,
  /** Writing bans into a packet filter. */
  packetFilter: {
    maxBatch: 1_000,
    maxWaiting: 10_000,
    refreshMs: 60_000,
    retryMs: 30_000,
    timeoutMs: 10_000,
  },
  /** A ban in the store: an address, a user id, a category, three numbers. */
  maxKeptLength: 2_048,
} as const;
