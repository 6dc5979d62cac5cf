// Crypto suites for SRTP by their SDES names: RFC 4568 §6.2, RFC 7714 §14.
// The order of SUITES is the order of our preference, strongest first.

export type SuiteName =
  | 'AEAD_AES_256_GCM'
  | 'AEAD_AES_128_GCM'
  | 'AES_CM_128_HMAC_SHA1_80'
  | 'AES_CM_128_HMAC_SHA1_32';

/** Sizes in bytes. For AEAD suites the tag is GCM's own and there is no authentication key. */
export interface Suite {
  readonly name: SuiteName;
  readonly aead: boolean;
  readonly keyBytes: 16 | 32;
  readonly saltBytes: 12 | 14;
  readonly rtpTagBytes: 4 | 10 | 16;
  /** RFC 4568 §6.2.2: with the 32-bit suite SRTCP keeps its 80-bit tag. */
  readonly rtcpTagBytes: 10 | 16;
}

export const SUITES: readonly Suite[] = [
  { name: 'AEAD_AES_256_GCM', aead: true, keyBytes: 32, saltBytes: 12, rtpTagBytes: 16, rtcpTagBytes: 16 },
  { name: 'AEAD_AES_128_GCM', aead: true, keyBytes: 16, saltBytes: 12, rtpTagBytes: 16, rtcpTagBytes: 16 },
  {
    name: 'AES_CM_128_HMAC_SHA1_80',
    aead: false,
    keyBytes: 16,
    saltBytes: 14,
    rtpTagBytes: 10,
    rtcpTagBytes: 10,
  },
  {
    name: 'AES_CM_128_HMAC_SHA1_32',
    aead: false,
    keyBytes: 16,
    saltBytes: 14,
    rtpTagBytes: 4,
    rtcpTagBytes: 10,
  },
];

/** The suite of that exact name (SDES names are case-sensitive), or undefined. */
export function findSuite(name: string): Suite | undefined {
  return SUITES.find((suite) => suite.name === name);
}
