// What a record-routing proxy hop does to a message, apart from deciding where it goes (RFC 3261 §16). Posture: reads
// values that peers wrote, throws only SipParseError; keeps nothing between messages but what LinkWait holds, bounded.
export { takeHop } from './hop-count.ts';
export { LinkWait, type LinkWaiter, type LinkWaitLimits } from './link-wait.ts';
export { BranchMaker, isLooped, loopHash } from './loop-branch.ts';
export { flowHeader, stripPrivileged } from './privileged-headers.ts';
export {
  makesDialog,
  pairIdOf,
  popRoutePair,
  pushRecordRoutes,
  routeUri,
  topRoute,
  type HopSide,
  type PoppedPair,
} from './route-pair.ts';
export { pushVia, stampArrival, type Arrival, type OwnVia } from './via-stamp.ts';
