// The media link as both processes see it: control messages that set streams up, and the hello that proves core's
// address. Trusts nothing, remembers nothing.
export {
  isSealed,
  parseHello,
  parseHelloAnswer,
  printHello,
  printHelloAnswer,
  type ClaimedHello,
} from './hello.ts';
export {
  claimReply,
  claimRequest,
  closeRequest,
  idleReply,
  idleRequest,
  latchReply,
  latchRequest,
  linkReply,
  linkRequest,
  MAX_CLAIMS,
  MAX_LINKS,
  openReply,
  openRequest,
  type LatchRequest,
  type MediaKind,
  type LinkRequest,
  type OpenReply,
  type OpenRequest,
} from './messages.ts';
