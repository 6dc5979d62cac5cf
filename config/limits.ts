// Limits that are not settings: each bounds memory that a peer could make us hold, and none is worth an operator's time.
// What breaks when one is too low stands beside it; each is counted when it is hit.

/** Limits of one link between edge and core. */
export const LINK_LIMITS = {
  /** Above ssh2's window of 2 MiB and its stream buffer, so that only a peer which ignores the window reaches it. */
  maxReceivedBytesPerChannel: 4 * 1024 * 1024,
  /** All stalled requests of one link together; too low and slow downloads end early. */
  maxReceivedBytesPerLink: 256 * 1024 * 1024,
  /** Unsent bytes at which requests pause; too low and a long fat link is not filled. */
  socketPauseBytes: 4 * 1024 * 1024,
  /** Unsent bytes at which the link counts as stuck. */
  maxQueuedBytes: 64 * 1024 * 1024,
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
