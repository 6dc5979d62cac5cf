// TLS towards XMPP clients: after STARTTLS or from the first byte (XEP-0368). No client certificate is asked for.
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { Socket } from 'node:net';
import type { EdgeXmppOptions } from './edge-xmpp-options.ts';

/** First byte of a TLS record that carries a handshake; no XML begins so. */
export const TLS_HANDSHAKE_RECORD = 0x16;

export function doorContext(
  options: Pick<EdgeXmppOptions, 'certificate' | 'groups' | 'ciphers'>,
): SecureContext {
  return createSecureContext({
    cert: options.certificate.chain,
    key: options.certificate.key,
    minVersion: 'TLSv1.2',
    ciphers: options.ciphers,
    ecdhCurve: options.groups,
    honorCipherOrder: true,
  });
}

/** Wraps a connection as the server of TLS; a client that offers ALPN must offer `xmpp-client`. */
export function secure(raw: Socket, secureContext: SecureContext): TLSSocket {
  return new TLSSocket(raw, { isServer: true, secureContext, ALPNProtocols: ['xmpp-client'] });
}
