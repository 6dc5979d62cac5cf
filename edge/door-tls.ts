// TLS at the doors that face the internet. Hybrid post-quantum exchange first; TLS 1.2 only with forward secrecy and AEAD.
import { constants } from 'node:crypto';

/** Key exchange groups in order of preference (`ecdhCurve`): ML-KEM-768 joined with X25519, then the classic ones. */
export const DOOR_GROUPS = 'X25519MLKEM768:X25519:P-256:P-384';

/** Cipher suites in OpenSSL's words: all of TLS 1.3, and for TLS 1.2 what clients of the last ten years have. */
export const DOOR_CIPHERS =
  'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:' +
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:' +
  'ECDHE-RSA-AES256-GCM-SHA384';

/** A client that wants other keys in the middle of a connection opens another. */
export const DOOR_SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION;

/** The same as options of a TLS context. */
export const DOOR_TLS = {
  minVersion: 'TLSv1.2',
  ciphers: DOOR_CIPHERS,
  ecdhCurve: DOOR_GROUPS,
  honorCipherOrder: true,
  secureOptions: DOOR_SECURE_OPTIONS,
} as const;
