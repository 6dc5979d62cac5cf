// What every check in this room answers: a value that says yes or no, what the client is told, why in one word that
// can be counted, and why in a sentence for the operator. Client and operator never get the same text.

/** Why something was refused: a closed set, safe as a metric label and in statistics of intrusion protection. */
export type DenyReason =
  | 'access-off'
  | 'credentials-missing'
  | 'credentials-malformed'
  | 'scheme-unsupported'
  | 'bad-credentials'
  | 'unknown-user'
  | 'no-home-cluster'
  | 'not-permitted'
  | 'unreachable'
  | 'busy'
  | 'rate'
  | 'banned'
  | 'cookie-invalid'
  | 'cookie-expired'
  | 'cookie-revoked'
  | 'store-unavailable'
  | 'token-missing'
  | 'token-malformed'
  | 'token-invalid'
  | 'token-expired'
  | 'token-key-unknown'
  | 'token-deployment'
  | 'token-scope'
  | 'token-revoked'
  | 'identity-mismatch'
  | 'device-unproven'
  | 'node-unknown'
  | 'service-unknown'
  | 'path'
  | 'method'
  | 'other-user';

export type AllowReason =
  | 'credentials'
  | 'credentials-cached'
  | 'token'
  | 'simple-token'
  | 'device'
  | 'cookie'
  | 'rule'
  | 'own-resource';

export interface Allow {
  readonly outcome: 'allow';
  readonly code: 200;
  readonly reason: AllowReason;
  readonly text: string;
}

/** `code` is the HTTP status the client is told; `text` is for the log only, it may name inside hosts. */
export interface Deny {
  readonly outcome: 'deny';
  readonly code: 401 | 403 | 429 | 503;
  readonly reason: DenyReason;
  readonly text: string;
  readonly retryAfterS?: number;
}

export type Verdict = Allow | Deny;

export function deny(code: Deny['code'], reason: DenyReason, text: string, retryAfterS?: number): Deny {
  const verdict: Deny = { outcome: 'deny', code, reason, text };
  return retryAfterS === undefined ? verdict : { ...verdict, retryAfterS };
}

export function allow(reason: AllowReason, text: string): Allow {
  return { outcome: 'allow', code: 200, reason, text };
}
