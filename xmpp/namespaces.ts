// Names of the XML vocabularies that the relay itself understands; all others pass through.

/** `stream:stream`, `stream:features`, `stream:error` (RFC 6120 §4.8.1). */
export const NS_STREAMS = 'http://etherx.jabber.org/streams';
/** Stanzas between client and server (RFC 6120 §4.8.2). */
export const NS_CLIENT = 'jabber:client';
/** Stanzas between two servers (RFC 6120 §4.8.2). */
export const NS_SERVER = 'jabber:server';
/** Which stanzas a stream carries. */
export type ContentNamespace = typeof NS_CLIENT | typeof NS_SERVER;
/** Conditions of stream errors (RFC 6120 §4.9.2). */
export const NS_STREAM_ERRORS = 'urn:ietf:params:xml:ns:xmpp-streams';
/** RFC 6120 §5. */
export const NS_TLS = 'urn:ietf:params:xml:ns:xmpp-tls';
/** RFC 6120 §6. */
export const NS_SASL = 'urn:ietf:params:xml:ns:xmpp-sasl';
/** Resource binding (RFC 6120 §7). */
export const NS_BIND = 'urn:ietf:params:xml:ns:xmpp-bind';
/** Stream management (XEP-0198), the two versions in use. */
export const NS_STREAM_MANAGEMENT: readonly string[] = ['urn:xmpp:sm:3', 'urn:xmpp:sm:2'];
/** Framing of a stream in WebSocket messages (RFC 7395). */
export const NS_FRAMING = 'urn:ietf:params:xml:ns:xmpp-framing';
/** Client state indication (XEP-0352). */
export const NS_CLIENT_STATE = 'urn:xmpp:csi:0';
