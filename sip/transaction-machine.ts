// Runs one transaction table: handle(input, now) → actions. RFC 3261 §17. No message, socket or timer in here: an
// action says what the holder of those has to do. The only memory besides the state is the back-off interval.

import { INVITE_CLIENT, INVITE_SERVER, NON_INVITE_CLIENT, NON_INVITE_SERVER } from './transaction-tables.ts';
import type {
  TimerName,
  TransactionInput,
  TransactionState,
  TransactionStep,
  TransactionTable,
} from './transaction-tables.ts';

/** Base intervals of RFC 3261 §17.1.1.1 in milliseconds; 500, 4,000 and 5,000 by default. */
export interface TransactionTimings {
  readonly t1Ms: number;
  readonly t2Ms: number;
  readonly t4Ms: number;
}

export const RFC_TIMINGS: TransactionTimings = { t1Ms: 500, t2Ms: 4000, t4Ms: 5000 };

export type TransactionKind = 'invite-client' | 'non-invite-client' | 'invite-server' | 'non-invite-server';

/** What the holder does; see TransactionStep for the words. `at` is on the clock of `now`. */
export type TransactionAction =
  | { readonly do: 'send' | 'ack' | 'pass' | 'timeout' | 'failure' | 'terminate' | 'drop' }
  | { readonly do: 'schedule'; readonly timer: TimerName; readonly at: number }
  | { readonly do: 'stop'; readonly timer: TimerName };

const TABLES: Readonly<Record<TransactionKind, TransactionTable>> = {
  'invite-client': INVITE_CLIENT,
  'non-invite-client': NON_INVITE_CLIENT,
  'invite-server': INVITE_SERVER,
  'non-invite-server': NON_INVITE_SERVER,
};

const FIRST: Readonly<Record<TransactionKind, readonly [TransactionState, ...TransactionStep[]]>> = {
  'invite-client': ['calling', 'send', 'start A', 'start B'],
  'non-invite-client': ['trying', 'send', 'start E', 'start F'],
  'invite-server': ['proceeding'],
  'non-invite-server': ['trying'],
};

const DROP: readonly TransactionAction[] = [{ do: 'drop' }];
const TERMINATE: TransactionAction = { do: 'terminate' };
const PLAIN = new Map<TransactionStep, TransactionAction>();
for (const step of ['send', 'ack', 'pass', 'timeout', 'failure'] as const) PLAIN.set(step, { do: step });

/** One transaction's state. Call `start` once, then `handle`. */
export class TransactionMachine {
  readonly #table: TransactionTable;
  readonly #kind: TransactionKind;
  readonly #isReliable: boolean;
  readonly #timings: TransactionTimings;
  #state: TransactionState;
  #intervalMs = 0;

  constructor(kind: TransactionKind, isReliable: boolean, timings: TransactionTimings) {
    this.#kind = kind;
    this.#table = TABLES[kind];
    this.#isReliable = isReliable;
    this.#timings = timings;
    this.#state = FIRST[kind][0];
  }

  get state(): TransactionState {
    return this.#state;
  }

  /** What a new transaction does first. */
  start(now: number): readonly TransactionAction[] {
    return this.#run(FIRST[this.#kind], now);
  }

  /** Moves by the table. An input that the state has no row for gives a single drop. */
  handle(input: TransactionInput, now: number): readonly TransactionAction[] {
    const row = this.#table[this.#state]?.[input];
    return row === undefined ? DROP : this.#run(row, now);
  }

  #run(row: readonly [TransactionState, ...TransactionStep[]], now: number): readonly TransactionAction[] {
    this.#state = row[0];
    const actions: TransactionAction[] = [];
    let endsNow = false;
    for (let index = 1; index < row.length; index++) {
      const step = row[index] as TransactionStep;
      const plain = PLAIN.get(step);
      if (plain !== undefined) actions.push(plain);
      else endsNow = this.#timerStep(step, now, actions) || endsNow;
    }
    // A wait of zero length (D, I, J, K on reliable transports) ends the transaction in the same step.
    if (endsNow) this.#state = 'terminated';
    if (this.#state === 'terminated') actions.push(TERMINATE);
    return actions;
  }

  #timerStep(step: TransactionStep, now: number, actions: TransactionAction[]): boolean {
    const timer = step.at(-1) as TimerName;
    if (step.startsWith('stop')) {
      actions.push({ do: 'stop', timer });
      return false;
    }
    const delayMs = this.#delayMs(timer);
    if (delayMs === undefined) return false;
    if (delayMs === 0) return true;
    actions.push({ do: 'schedule', timer, at: now + delayMs });
    return false;
  }

  // RFC 3261 table 4. undefined: this timer does not exist on this transport. 0: wait for nothing.
  #delayMs(timer: TimerName): number | undefined {
    const { t1Ms, t2Ms, t4Ms } = this.#timings;
    switch (timer) {
      case 'A':
        return this.#isReliable ? undefined : this.#backOff(Number.POSITIVE_INFINITY);
      case 'E':
        if (this.#isReliable) return undefined;
        return this.#state === 'proceeding' ? t2Ms : this.#backOff(t2Ms);
      case 'G':
        return this.#isReliable ? undefined : this.#backOff(t2Ms);
      case 'D':
        return this.#isReliable ? 0 : Math.max(32_000, 64 * t1Ms);
      case 'J':
        return this.#isReliable ? 0 : 64 * t1Ms;
      case 'I':
      case 'K':
        return this.#isReliable ? 0 : t4Ms;
      default:
        return 64 * t1Ms;
    }
  }

  #backOff(limitMs: number): number {
    this.#intervalMs = this.#intervalMs === 0 ? this.#timings.t1Ms : Math.min(this.#intervalMs * 2, limitMs);
    return this.#intervalMs;
  }
}
