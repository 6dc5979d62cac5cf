// xmpp/: XMPP streams as values and machines (RFC 6120): strict parser, stream errors, STARTTLS, SASL as a relay sees it,
// the session proxy. Knows no socket and no clock.
// Trusts nothing it parses. Memory is bounded by `StreamLimits`: length of one element, depth, attributes, elements; what
// is forwarded is always printed anew from what was parsed, never the bytes that came in.
export * from './namespaces.ts';
export * from './sasl.ts';
export * from './session-proxy.ts';
export * from './starttls.ts';
export * from './stream-error.ts';
export * from './stream-features.ts';
export * from './stream-header.ts';
export * from './stream-parser.ts';
