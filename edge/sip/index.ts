// edge/sip: the door for clients' SIP and the first hop towards core. Posture: trusts no client, decides nothing about
// users. Memory before a registration: maxUnproven connections, each one message, maxPendingUnproven transactions and
// one output queue; afterwards maxConnections and maxTransactions.
export { EdgeSip, type EdgeSipOptions } from './edge-sip.ts';
export type { DoorCertificate } from './client-door.ts';
export type { EdgeRefusal } from './verdict.ts';
export type { SignInWatch } from './sign-in-watch.ts';
