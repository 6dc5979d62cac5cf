// zones/: the links between edge and core, what both sides share about them, and the state that peers share.
// Trusts: the zone file and its keys. A peer that proved its key is that peer and nothing more: core treats an edge as
// possibly captured, edge treats a core as a peer that may be broken.
// Memory before authentication: `admission` (strangers in all and per address), the login deadline and the bytes a
// stranger may send. After it: channels per link, bytes held per channel and per link, bytes queued per socket,
// control frames of 64 KiB, requests waiting and at work. Each limit has a counter.
export * from './clock.ts';
export * from './dial.ts';
export * from './lane.ts';
export * from './link-error.ts';
export * from './link-options.ts';
export * from './peer.ts';
export * from './traversal-client.ts';
export * from './traversal-server.ts';
export * from './xmpp-link/index.ts';
export * from './zone-file.ts';
export * from './pair/pair.ts';
export * from './pair/renew.ts';
export * from './store/memory-store.ts';
export * from './store/store.ts';
export { nativeBindingLoaded } from './ssh/ssh2-internals.ts';
