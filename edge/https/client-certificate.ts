// The certificate a device proved itself with in the TLS handshake, in the form it is told inward: the Client-Cert field
// of RFC 9440 §2.2. A client without a certificate, or with one that no configured authority signed, is a client like any
// other; that it has nothing to show is not held against it. OpenSSL has checked chain, time and purpose (clientAuth).
import type { TLSSocket } from 'node:tls';

/** The field's name; whatever a client itself says under it is taken away. */
export const CLIENT_CERT = 'Client-Cert';
/** A certificate above this is not told: heads inside the link are bounded. Devices have 1 to 2 KiB. */
const MAX_CERTIFICATE_BYTES = 8 * 1024;

export type ShownCertificate =
  | { readonly kind: 'proven'; /** Structured-field bytes (RFC 8941 §3.3.5). */ readonly field: string }
  | { readonly kind: 'unproven' }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'none' };

/** What the client has shown. Call once per connection, after the handshake. */
export function shownCertificate(socket: TLSSocket): ShownCertificate {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: 'none' }; // a resumed session without one would be "authorized"
  if (!socket.authorized) return { kind: 'unproven' };
  if (certificate.raw.length > MAX_CERTIFICATE_BYTES) return { kind: 'too-large' };
  return { kind: 'proven', field: `:${certificate.raw.toString('base64')}:` };
}
