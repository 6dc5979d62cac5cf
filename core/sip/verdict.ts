// What becomes of a request at core before anything is sent, and the closed set of reasons to refuse one.
import type { Dialog } from './dialog-table.ts';

/** Counted, and told to intrusion protection. */
export type CoreRefusal =
  | 'hops'
  | 'loop'
  | 'scheme'
  | 'malformed'
  | 'no-flow'
  | 'not-registered'
  | 'from-mismatch'
  | 'route-refused'
  | 'target-refused'
  | 'policy'
  | 'token'
  | 'digest'
  | 'dialog-mismatch'
  | 'user-call-limit'
  | 'dialog-table-full'
  | 'registration-limit'
  | 'not-a-node'
  | 'no-binding'
  | 'edge-down'
  | 'node-down'
  | 'media'
  | 'busy';

export interface Refusal {
  readonly status: number;
  readonly refusal: CoreRefusal;
  readonly reason?: string;
  readonly retryAfterSeconds?: number;
  /** Values of Proxy-Authenticate, best first. */
  readonly challenges?: readonly string[];
  /** The dialog that the request is in, where a refusal must end it. */
  readonly dialog?: Dialog;
}

/** A refusal with the status's usual phrase unless `reason` says more. */
export function refuse(status: number, refusal: CoreRefusal, reason?: string): Refusal {
  return reason === undefined ? { status, refusal } : { status, refusal, reason };
}

/** Whether a decision function refused. */
export function isRefusal(value: object): value is Refusal {
  return 'refusal' in value;
}
