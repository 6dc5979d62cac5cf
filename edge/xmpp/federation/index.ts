// Federation at edge: door 5269 for servers of partner domains, and the connections to them that core asks for.
// Trusts: its cores for the policy; of partners nothing but domains that a certificate or dialback has proven; of DNS nothing
// but where to knock, and never inside. Memory: admission, stream limits per phase, pairs per connection, streams to
// partners, windows of the link. Nothing is queued here: stanzas wait at core.
export * from './edge-federation.ts';
export * from './federation-options.ts';
