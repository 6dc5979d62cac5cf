// TLS towards XMPP clients: after STARTTLS or from the first byte (XEP-0368). No client certificate is asked for.
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { Socket } from 'node:net';
import { DOOR_TLS } from '../door-tls.ts';
import type { EdgeXmppOptions } from './edge-xmpp-options.ts';

/** First byte of a TLS record that carries a handshake; no XML begins so. */
export const TLS_HANDSHAKE_RECORD = 0x16;

/** The certificate of the door, and those of single domains (RFC 6066 §3). */
export class DoorCertificates {
  readonly #usual: SecureContext;
  readonly #ofDomain: ReadonlyMap<string, SecureContext>;

  constructor({
    certificate,
    domainCertificates,
  }: Pick<EdgeXmppOptions, 'certificate' | 'domainCertificates'>) {
    this.#usual = contextOf(certificate);
    this.#ofDomain = new Map(
      domainCertificates.map(({ domain, ...own }) => [domain.toLowerCase(), contextOf(own)] as const),
    );
  }

  /** For a client that asks for `name`; a name of no domain gets the usual one. */
  contextFor(name: string): SecureContext {
    return this.#ofDomain.get(name.toLowerCase()) ?? this.#usual;
  }

  /** Wraps a connection as the server of TLS; a client that offers ALPN must offer `xmpp-client`. */
  secure(raw: Socket): TLSSocket {
    return new TLSSocket(raw, {
      isServer: true,
      secureContext: this.#usual,
      SNICallback: (name, choose) => choose(null, this.contextFor(name)),
      ALPNProtocols: ['xmpp-client'],
    });
  }
}

function contextOf({ chain, key }: EdgeXmppOptions['certificate']): SecureContext {
  return createSecureContext({ ...DOOR_TLS, cert: chain, key });
}
