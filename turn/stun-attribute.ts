// STUN attribute registry and error of the codec: RFC 8489 §14 and §18.3, RFC 8445 §16.1,
// RFC 8656 §18, RFC 8016 §6, RFC 6062 §6.2, RFC 7635 §6.
// Trusts nothing: values arrive from unauthenticated datagrams and are only slices until a caller reads them.

/** Attribute types by the RFC's name. Types below 0x8000 must be understood by a receiver (RFC 8489 §14). */
export const ATTRIBUTE = {
  mappedAddress: 0x0001,
  username: 0x0006,
  messageIntegrity: 0x0008,
  errorCode: 0x0009,
  unknownAttributes: 0x000a,
  channelNumber: 0x000c,
  lifetime: 0x000d,
  xorPeerAddress: 0x0012,
  data: 0x0013,
  realm: 0x0014,
  nonce: 0x0015,
  xorRelayedAddress: 0x0016,
  requestedAddressFamily: 0x0017,
  evenPort: 0x0018,
  requestedTransport: 0x0019,
  dontFragment: 0x001a,
  messageIntegritySha256: 0x001c,
  accessToken: 0x001b,
  passwordAlgorithm: 0x001d,
  userhash: 0x001e,
  xorMappedAddress: 0x0020,
  reservationToken: 0x0022,
  priority: 0x0024,
  useCandidate: 0x0025,
  connectionId: 0x002a,
  additionalAddressFamily: 0x8000,
  addressErrorCode: 0x8001,
  passwordAlgorithms: 0x8002,
  alternateDomain: 0x8003,
  icmp: 0x8004,
  software: 0x8022,
  alternateServer: 0x8023,
  fingerprint: 0x8028,
  iceControlled: 0x8029,
  iceControlling: 0x802a,
  thirdPartyAuthorization: 0x802e,
  mobilityTicket: 0x8030,
} as const;

/** One attribute as it lies on the wire: `value` excludes header and padding. */
export interface StunAttribute {
  readonly type: number;
  readonly value: Buffer;
}

/** Why bytes are not a STUN message or a value not an attribute; a bounded set, fit for a counter label. */
export type StunErrorReason =
  | 'too-short'
  | 'not-stun'
  | 'length-mismatch'
  | 'attribute-overruns'
  | 'too-many-attributes'
  | 'bad-integrity-length'
  | 'bad-fingerprint-place'
  | 'bad-address'
  | 'bad-error-code'
  | 'bad-value'
  | 'too-long';

/** The only error that the codec throws. */
export class StunError extends Error {
  readonly reason: StunErrorReason;
  constructor(reason: StunErrorReason) {
    super(`STUN: ${reason}`);
    this.name = 'StunError';
    this.reason = reason;
  }
}
