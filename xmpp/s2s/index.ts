// xmpp/s2s: streams between two servers (RFC 6120, XEP-0178, XEP-0220) as values and machines, and the connection that drives
// a machine over a socket that its caller brings. Used towards partners outside and towards the servers inside.
// Trusts nothing on the wire: a domain is believed once a certificate or the authoritative server has proven it, and every
// stanza must come from and go to a proven pair. Memory: `StreamLimits` per phase, pairs and open questions per stream.
export * from './certificate-names.ts';
export * from './connection-limits.ts';
export * from './dialback.ts';
export * from './domain.ts';
export * from './incoming-connection.ts';
export * from './initiating-stream.ts';
export * from './outgoing-connection.ts';
export * from './receiving-stream.ts';
export * from './stanza.ts';
export * from './tls-acceptor.ts';
