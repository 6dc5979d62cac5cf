// Control messages by which core sets up media on edge, `media.*` on the control channel (seam of both processes).
// Trusts nothing: each side checks what it receives against these schemas. No key of a call and no client address is
// ever in one of them: a source that edge has heard is named by a token.
import { z } from 'zod';

const sessionId = z.string().regex(/^[A-Za-z0-9_-]{16,32}$/);
const linkId = z.string().regex(/^[0-9a-f]{32}$/);
const epoch = z.string().regex(/^[A-Za-z0-9_-]{16,32}$/);
const channel = z.int().min(0x4000).max(0xffff);
const streamNumber = z.int().min(0).max(0xffff);
const port = z.int().min(1).max(65535);

/** Links between a core and an edge. */
export const MAX_LINKS = 12;
const shards = z.int().min(1).max(64);

/** Sessions named in one `media.claim`; keeps a frame under 64 KiB. */
export const MAX_CLAIMS = 1000;

/**
 * core → edge: a UDP link, core's number `shard`; its hellos carry `link` and are sealed with `key` (32 bytes, base64).
 * Which port of edge it uses shows with its first hello. The same `link` again keeps its streams. A new `epoch` means that core has restarted: what an
 * older one opened is closed.
 */
export const linkRequest = z.strictObject({
  epoch,
  shard: z
    .int()
    .min(0)
    .max(MAX_LINKS - 1),
  shards,
  link: linkId,
  key: z.base64().length(44),
});
/**
 * `fresh`: edge did not know this link, so streams that core believes open on it are gone. `shards`: how many threads
 * move packets there, as the request says of core.
 */
export const linkReply = z.strictObject({ fresh: z.boolean(), shards });

/** Kinds of media as far as packets are marked differently. */
export const mediaKind = z.enum(['audio', 'video', 'other']);

/** core → edge: a port pair for one media section. Channels are core's to choose, unique on their link. */
export const openRequest = z.strictObject({
  session: sessionId,
  stream: streamNumber,
  content: z.enum(['rtp', 'opaque', 'passthrough']),
  kind: mediaKind,
  link: linkId,
  channels: z.strictObject({ rtp: channel, rtcp: channel, rtpProbe: channel, rtcpProbe: channel }),
});
/** Where the client is to send: the announced address, and the pair. */
export const openReply = z.strictObject({
  address: z.union([z.ipv4(), z.ipv6()]),
  rtpPort: port,
  rtcpPort: port,
});

/** core → edge: the source behind `token` has sent a packet whose tag was right; send there, accept from there. */
export const latchRequest = z.strictObject({
  session: sessionId,
  stream: streamNumber,
  component: z.enum(['rtp', 'rtcp']),
  token: z.int().min(0).max(0xffffffff),
});
/** False when edge no longer remembers the token; the next packet brings a new one. */
export const latchReply = z.strictObject({ latched: z.boolean() });

/** core → edge: one stream, or without `stream` all of the session, is over. Closing what is gone is fine. */
export const closeRequest = z.strictObject({ session: sessionId, stream: streamNumber.optional() });

/**
 * core → edge, after the control channel came back: the sessions that core still has, in one or more parts. After
 * the `last` part edge closes every session of this core that no part has named.
 */
export const claimRequest = z.strictObject({
  epoch,
  sessions: z.array(sessionId).max(MAX_CLAIMS),
  last: z.boolean(),
});
/** Sessions that edge does not have. */
export const claimReply = z.strictObject({ unknown: z.array(sessionId).max(MAX_CLAIMS) });

/** edge → core: no packet for long. Core answers whether the session still lives; if not, edge closes it. */
export const idleRequest = z.strictObject({ session: sessionId });
export const idleReply = z.strictObject({ keep: z.boolean() });

export type MediaKind = z.infer<typeof mediaKind>;
export type LinkRequest = z.infer<typeof linkRequest>;
export type OpenRequest = z.infer<typeof openRequest>;
export type OpenReply = z.infer<typeof openReply>;
export type LatchRequest = z.infer<typeof latchRequest>;
