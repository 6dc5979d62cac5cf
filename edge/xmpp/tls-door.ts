// TLS towards XMPP clients: after STARTTLS or from the first byte (XEP-0368). No client certificate is asked for.
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { Socket } from 'node:net';
import { DOOR_TLS } from '../door-tls.ts';
import type { EdgeXmppOptions } from './edge-xmpp-options.ts';

/** First byte of a TLS record that carries a handshake; no XML begins so. */
export const TLS_HANDSHAKE_RECORD = 0x16;

export function doorContext({ chain, key }: EdgeXmppOptions['certificate']): SecureContext {
  return createSecureContext({ ...DOOR_TLS, cert: chain, key });
}

/** Wraps a connection as the server of TLS; a client that offers ALPN must offer `xmpp-client`. */
export function secure(raw: Socket, secureContext: SecureContext): TLSSocket {
  return new TLSSocket(raw, { isServer: true, secureContext, ALPNProtocols: ['xmpp-client'] });
}
