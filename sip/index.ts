// SIP, RFC 3261: messages, streams, transactions. A protocol room: sans-I/O at heart, knows no edge or core.
// Trust: nothing that was parsed. Every parser throws only SipParseError, runs in linear time and has named limits.
// Memory is bounded by ParseLimits (one message per stream), by a connection's queue limit and by the transaction
// layer's `maxTransactions`; identifiers used as keys (tag, branch, Call-ID) have a length limit.

export * from './auth-header.ts';
export * from './build.ts';
export { ownedCopy } from './characters.ts';
export { ClientTransaction } from './client-transaction.ts';
export type { ClientFailure } from './client-transaction.ts';
export * from './clock.ts';
export * from './connection.ts';
export * from './cseq.ts';
export * from './header-list.ts';
export * from './host-port.ts';
export * from './identifiers.ts';
export { LineBudget } from './line-budget.ts';
export * from './message.ts';
export * from './name-addr.ts';
export * from './params.ts';
export * from './parse-error.ts';
export * from './parse.ts';
export * from './reasons.ts';
export { ServerTransaction } from './server-transaction.ts';
export * from './stream-framer.ts';
export * from './transaction-layer.ts';
export { RFC_TIMINGS } from './transaction-machine.ts';
export * from './transport.ts';
export * from './uri-compare.ts';
export * from './uri.ts';
export * from './via.ts';
