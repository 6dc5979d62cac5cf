// The edge's XMPP door: what the internet may send before core has decided anything.
// Trusts nobody. Memory of a stranger: admission (connections in all, per address, TLS handshakes under way), a deadline
// from connection to sign-in, stream limits for the clear, for the sign-in and for a session, a rate per connection, and
// the window of its stream on the link. It decides no sign-in and holds no policy: core does.
export * from './edge-xmpp.ts';
export * from './edge-xmpp-options.ts';
