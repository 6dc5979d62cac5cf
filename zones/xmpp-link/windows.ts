// Flow control of the XMPP link (RFC 9113 §5.2). A stream whose reader stops holds back at most its own window; the link's
// window is wide, because Node gives it back as data arrives and leaves the holding back to the streams.

export const WINDOWS = {
  streamBytes: 64 * 1024,
  linkBytes: 16 * 1024 * 1024,
  frameBytes: 16 * 1024,
  /** Node's own cap on memory of one connection, in megabytes: ten thousand streams and their buffers. */
  maxSessionMegabytes: 1_000,
} as const;
