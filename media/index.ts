// Posture of media/: trusts no packet and no source address. SRTP changes memory only after a right tag; sources
// that nobody has proven get a trickle under a token. Memory is bounded by the engine's limits: ports, flows,
// links, SSRCs per key, pending sources per flow. Knows nothing of edge, core, auth, zones or SIP.
export {
  EngineError,
  FIRST_CHANNEL,
  LAST_CHANNEL,
  WANTED_TRUNK_BUFFER_BYTES,
  type CryptoId,
  type EngineEvent,
  type FlowChange,
  type FlowCounters,
  type FlowDrop,
  type FlowId,
  type FlowOutput,
  type FlowSpec,
  type Accept,
  type CaptureId,
  type LinkCounters,
  type LinkId,
  type MediaEngine,
  type PortId,
} from './engine.ts';
export {
  createPortableEngine,
  type EngineLimits,
  type PortableEngineOptions,
} from './portable-engine/portable-engine.ts';
export { EngineWatch } from './engine-watch.ts';
export { openEngine } from './system-engine.ts';
export { printPcap, type ShownPacket } from './pcap.ts';
export { PortPairs, type BoundPair, type PortPairsOptions } from './port-pairs.ts';
export { PortPoolError } from './port-pool.ts';
export type { MasterKey } from './srtp-keys.ts';
export { findSuite, SUITES, type Suite, type SuiteName } from './srtp-suites.ts';
export { SrtpReceiver, SrtpSender, type SourceState } from './srtp.ts';
