// The XMPP link between edge and core, the same at both ends: HTTP/2 over the authenticated 7400 connection with the
// roles turned round (core dialled it, edge opens the streams), one stream per session of a client, frames on each.
// Trusts: the peer is the pinned one. Bounds: streams at once, bytes in flight per stream (its window, which is the
// back-pressure), length of a frame, silence of the link.
export * from './core-end.ts';
export * from './edge-end.ts';
export * from './frame.ts';
export * from './paths.ts';
export * from './federation.ts';
