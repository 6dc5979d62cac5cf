// edge/packet-filter: banned addresses in nftables sets. Posture: trusts the ban list and the operator's names; runs one
// program with fixed arguments. Memory: one entry per change that waits, at most `maxWaiting` beside the list.
export { PacketFilter } from './packet-filter.ts';
export { createRunNft } from './run-nft.ts';
