// Posture of turn/: trusts no byte and no source address; everything here is a pure function of its arguments and
// keeps no memory. A parsed message holds slices of the datagram, at most 64 attributes.
// Understands STUN (RFC 8489) and answers Binding; knows nothing of edge, core, auth or zones.
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
