// Posture of turn/: trusts no byte and no source address. The codec keeps no memory; a parsed message holds slices of
// the datagram, at most 64 attributes. The TURN server (RFC 8656) keeps nothing for anybody before the integrity check;
// after it, memory is bounded by the allocation limits, and of each stream by one unfinished message and one queue.
// Knows nothing of edge, core, auth or zones.
export { answerBinding } from './binding.ts';
export { addressBytes, addressText, canonicalAddress, type TransportAddress } from './ip-address.ts';
export { ATTRIBUTE, StunError, type StunAttribute, type StunErrorReason } from './stun-attribute.ts';
export { checkFingerprint, checkIntegrity, longTermKey, type IntegrityAlgorithm } from './stun-integrity.ts';
export {
  errorCodeAttribute,
  readErrorCode,
  readMappedAddress,
  readXorAddress,
  unknownAttributesAttribute,
  xorAddressAttribute,
} from './stun-values.ts';
export {
  findAttribute,
  looksLikeStun,
  METHOD,
  parseStun,
  printStun,
  type PrintOptions,
  type StunClass,
  type StunDraft,
  type StunMessage,
} from './stun.ts';
export { loadTurnBinding } from './native/binding.ts';
export { IpRangeError, parseIpRange } from './policy/ip-range.ts';
export { PeerPolicy, type PeerPolicyOptions } from './policy/peer-policy.ts';
export { openRelay } from './relay/system-relay.ts';
export { RelayEngineError } from './relay/relay-engine.ts';
export type { RelayCounters, RelayEngine, RelayEvents } from './relay/relay-engine.ts';
export type { OwnAddress } from './relay/relay-path.ts';
export { createCredentials, timeLimitedPassword, type CredentialOptions } from './server/credentials.ts';
export type { RelayAddress, TurnGuard } from './server/turn-options.ts';
export { TurnServer, type TurnListener, type TurnServerOptions } from './turn-server.ts';
export { UdpSocket } from './udp-socket.ts';
export type { AllocationStatus } from './turn-status.ts';
