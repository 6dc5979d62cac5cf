// xmpp/: XMPP streams as values and machines (RFC 6120): strict parser, stream errors, STARTTLS, SASL as a relay sees it,
// the session proxy. Knows no socket and no clock.
// Trusts nothing it parses. Memory is bounded by `StreamLimits`: length of one element, depth, attributes, elements. What is
// forwarded is printed anew from what was parsed, or is a slice of what came in that every parser reads alike.
export * from './namespaces.ts';
export * from './sasl.ts';
export * from './session-proxy.ts';
export * from './stanza-policy.ts';
export * from './stanza-stream.ts';
export * from './starttls.ts';
export * from './stream-error.ts';
export * from './stream-features.ts';
export * from './stream-header.ts';
export * from './stream-parser.ts';
export * from './wire-batch.ts';
