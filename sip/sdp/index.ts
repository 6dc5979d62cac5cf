// Posture of sip/sdp/: trusts no description; at most 32 KiB, 1,000 lines, 16 media sections, all pure functions.
// What is not edited prints byte for byte as it came.
export {
  isIcePassword,
  isIceUfrag,
  parseCandidate,
  parseRemoteCandidates,
  type Candidate,
  type CandidateRefusal,
  type CandidateType,
} from './candidate.ts';
export {
  parseCrypto,
  printCrypto,
  type CryptoAttribute,
  type CryptoRefusal,
  type SuiteSizes,
} from './crypto-attribute.ts';
export { refusedMedia, sdpLine, withConnection, withOrigin, withoutAttributes } from './sdp-edit.ts';
export { SdpError, type SdpErrorReason } from './sdp-error.ts';
export {
  attributeName,
  attributes,
  attributeValue,
  connectionAddress,
  direction,
  hasAttribute,
  rtcpAddress,
  type Direction,
} from './sdp-query.ts';
export {
  MAX_MEDIA,
  MAX_SDP_BYTES,
  parseOrigin,
  parseSdp,
  printSdp,
  type Sdp,
  type SdpLine,
  type SdpMedia,
} from './sdp.ts';
