// core/sip: SIP between the edges and call control. Posture: clients are whom a registrar says they are, and only while
// a registration stands; edges and nodes are authenticated and still reach only what is theirs. Memory is bounded by
// maxRegistrations, maxDialogs, per-user calls, maxTransactions, and one message plus one queue per connection.
export { dialTarget } from './dial-target.ts';
export { CoreSip, type CoreSipOptions } from './core-sip.ts';
export {
  mediaRefusal,
  type MediaAnchor,
  type MediaError,
  type MediaSession,
  type MediaSide,
} from './media-anchor.ts';
export type { BindingSpace } from './binding-journal.ts';
export type { InsideTls } from './node-connections.ts';
export type { SipNode } from './node-directory.ts';
export { BEARER_CHALLENGE } from './register-token.ts';
export type { CoreRefusal } from './verdict.ts';
