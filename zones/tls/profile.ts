// TLS of the SIP and XMPP links, the same at both ends: version 1.3 only, post-quantum exchange first, nothing but the zone's
// own authority trusted, no resumption. Certificates are judged by `peer-check.ts`, so that a refusal has words.
import { constants } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import type { TraversalZone } from '../zone-file.ts';

export const TLS_GROUPS = 'X25519MLKEM768:X25519:P-256';

export function tlsContext(zone: Pick<TraversalZone, 'authority' | 'identity'>): SecureContextOptions {
  return {
    ca: zone.authority,
    cert: zone.identity.certificate,
    key: zone.identity.tlsKey,
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ecdhCurve: TLS_GROUPS,
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/** The planes that have a TLS link of their own. */
export type TlsPlane = 'sip' | 'xmpp';

/** HTTP/2 says its name; SIP on 7001 has none, as the peers of old had none. */
export function alpnOf(plane: TlsPlane): { ALPNProtocols?: string[] } {
  return plane === 'xmpp' ? { ALPNProtocols: ['h2'] } : {};
}
