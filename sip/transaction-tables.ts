// The four transaction machines as tables, row by row from the figures of RFC 3261 §17 with the Accepted states of
// RFC 6026 §7. A row: state, input → next state, then what is done, in order. An input without a row is dropped.

/** Timers by the letters of RFC 3261 table 4 and RFC 6026 (L, M). */
export type TimerName = 'A' | 'B' | 'D' | 'E' | 'F' | 'G' | 'H' | 'I' | 'J' | 'K' | 'L' | 'M';

export type TransactionState =
  | 'calling'
  | 'trying'
  | 'proceeding'
  | 'completed'
  | 'accepted'
  | 'confirmed'
  | 'terminated';

/** What happens to a machine. `u…` come from the transaction user, the others from the wire or the wheel. */
export type TransactionInput =
  | '1xx'
  | '2xx'
  | '3xx-6xx'
  | 'request'
  | 'ack'
  | 'u1xx'
  | 'u2xx'
  | 'u3xx-6xx'
  | 'transport-error'
  | `timer ${TimerName}`;

/**
 * send: the request, or the latest response, goes out (again). ack: the ACK of a refusal goes out. pass: the message
 * goes to the transaction user. timeout, failure: the user is told. start, stop: a timer.
 */
export type TransactionStep =
  | 'send'
  | 'ack'
  | 'pass'
  | 'timeout'
  | 'failure'
  | `start ${TimerName}`
  | `stop ${TimerName}`;

export type TransactionRow = readonly [next: TransactionState, ...steps: TransactionStep[]];
export type TransactionTable = Readonly<
  Partial<Record<TransactionState, Readonly<Partial<Record<TransactionInput, TransactionRow>>>>>
>;

/** RFC 3261 figure 5, RFC 6026 §7.2. */
export const INVITE_CLIENT: TransactionTable = {
  calling: {
    'timer A': ['calling', 'send', 'start A'],
    'timer B': ['terminated', 'timeout'],
    '1xx': ['proceeding', 'stop A', 'stop B', 'pass'],
    '2xx': ['accepted', 'stop A', 'stop B', 'start M', 'pass'],
    '3xx-6xx': ['completed', 'stop A', 'stop B', 'ack', 'start D', 'pass'],
    'transport-error': ['terminated', 'failure'],
  },
  proceeding: {
    '1xx': ['proceeding', 'pass'],
    '2xx': ['accepted', 'start M', 'pass'],
    '3xx-6xx': ['completed', 'ack', 'start D', 'pass'],
    'transport-error': ['terminated', 'failure'],
  },
  completed: {
    '3xx-6xx': ['completed', 'ack'],
    'timer D': ['terminated'],
    'transport-error': ['terminated'],
  },
  // Further 2xx, retransmitted or of another branch of a fork, are the user's: a proxy forwards each.
  accepted: {
    '2xx': ['accepted', 'pass'],
    'timer M': ['terminated'],
  },
};

/** RFC 3261 figure 6. */
export const NON_INVITE_CLIENT: TransactionTable = {
  trying: {
    'timer E': ['trying', 'send', 'start E'],
    'timer F': ['terminated', 'timeout'],
    '1xx': ['proceeding', 'pass'],
    '2xx': ['completed', 'stop E', 'stop F', 'start K', 'pass'],
    '3xx-6xx': ['completed', 'stop E', 'stop F', 'start K', 'pass'],
    'transport-error': ['terminated', 'failure'],
  },
  proceeding: {
    'timer E': ['proceeding', 'send', 'start E'],
    'timer F': ['terminated', 'timeout'],
    '1xx': ['proceeding', 'pass'],
    '2xx': ['completed', 'stop E', 'stop F', 'start K', 'pass'],
    '3xx-6xx': ['completed', 'stop E', 'stop F', 'start K', 'pass'],
    'transport-error': ['terminated', 'failure'],
  },
  completed: {
    'timer K': ['terminated'],
  },
};

/** RFC 3261 figure 7, RFC 6026 §7.1. */
export const INVITE_SERVER: TransactionTable = {
  proceeding: {
    request: ['proceeding', 'send'],
    u1xx: ['proceeding', 'send'],
    u2xx: ['accepted', 'start L', 'send'],
    'u3xx-6xx': ['completed', 'start G', 'start H', 'send'],
    'transport-error': ['terminated', 'failure'],
  },
  completed: {
    request: ['completed', 'send'],
    'timer G': ['completed', 'send', 'start G'],
    'timer H': ['terminated', 'timeout'],
    ack: ['confirmed', 'stop G', 'stop H', 'start I'],
    'transport-error': ['terminated', 'failure'],
  },
  // Retransmitted INVITEs are absorbed here; retransmitting the 2xx is the user's, as is its ACK.
  accepted: {
    request: ['accepted'],
    u2xx: ['accepted', 'send'],
    ack: ['accepted', 'pass'],
    'timer L': ['terminated'],
    'transport-error': ['accepted', 'failure'],
  },
  confirmed: {
    request: ['confirmed'],
    ack: ['confirmed'],
    'timer I': ['terminated'],
  },
};

/** RFC 3261 figure 8. */
export const NON_INVITE_SERVER: TransactionTable = {
  trying: {
    request: ['trying'],
    u1xx: ['proceeding', 'send'],
    u2xx: ['completed', 'start J', 'send'],
    'u3xx-6xx': ['completed', 'start J', 'send'],
  },
  proceeding: {
    request: ['proceeding', 'send'],
    u1xx: ['proceeding', 'send'],
    u2xx: ['completed', 'start J', 'send'],
    'u3xx-6xx': ['completed', 'start J', 'send'],
    'transport-error': ['terminated', 'failure'],
  },
  completed: {
    request: ['completed', 'send'],
    'timer J': ['terminated'],
    'transport-error': ['terminated', 'failure'],
  },
};
