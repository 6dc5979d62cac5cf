// The four machines, step by step, with time moved by hand. RFC 3261 figures 5 to 8, RFC 6026 §7.

import { describe, expect, it } from 'vitest';
import { RFC_TIMINGS, TransactionMachine } from './transaction-machine.ts';
import type { TransactionAction, TransactionKind } from './transaction-machine.ts';
import type { TransactionInput, TransactionState } from './transaction-tables.ts';

/** One step: input ('' for the start), state after it, actions as words. */
type Step = readonly [input: TransactionInput | '', now: number, state: TransactionState, actions: string];

interface Walk {
  readonly name: string;
  readonly kind: TransactionKind;
  readonly isReliable: boolean;
  readonly steps: readonly Step[];
}

function words(actions: readonly TransactionAction[]): string {
  return actions
    .map((action) => {
      if (action.do === 'schedule') return `${action.timer}@${action.at}`;
      return action.do === 'stop' ? `-${action.timer}` : action.do;
    })
    .join(' ');
}

const WALKS: readonly Walk[] = [
  {
    name: 'INVITE over UDP is retransmitted by Timer A, doubling, and times out by Timer B',
    kind: 'invite-client',
    isReliable: false,
    steps: [
      ['', 0, 'calling', 'send A@500 B@32000'],
      ['timer A', 500, 'calling', 'send A@1500'],
      ['timer A', 1500, 'calling', 'send A@3500'],
      ['timer A', 3500, 'calling', 'send A@7500'],
      ['timer A', 7500, 'calling', 'send A@15500'],
      ['timer A', 15_500, 'calling', 'send A@31500'],
      ['timer B', 32_000, 'terminated', 'timeout terminate'],
      ['2xx', 32_001, 'terminated', 'drop'],
    ],
  },
  {
    name: 'INVITE over TLS is sent once; 180 and 200 pass, further 2xx pass for 32 s',
    kind: 'invite-client',
    isReliable: true,
    steps: [
      ['', 0, 'calling', 'send B@32000'],
      ['1xx', 10, 'proceeding', '-A -B pass'],
      ['1xx', 20, 'proceeding', 'pass'],
      ['timer B', 32_000, 'proceeding', 'drop'],
      ['2xx', 40_000, 'accepted', 'M@72000 pass'],
      ['2xx', 40_500, 'accepted', 'pass'],
      ['3xx-6xx', 40_600, 'accepted', 'drop'],
      ['timer M', 72_000, 'terminated', 'terminate'],
    ],
  },
  {
    name: 'INVITE refused over UDP: each copy of the refusal is acknowledged for 32 s, the user hears one',
    kind: 'invite-client',
    isReliable: false,
    steps: [
      ['', 0, 'calling', 'send A@500 B@32000'],
      ['3xx-6xx', 100, 'completed', '-A -B ack D@32100 pass'],
      ['3xx-6xx', 600, 'completed', 'ack'],
      ['timer D', 32_100, 'terminated', 'terminate'],
    ],
  },
  {
    name: 'INVITE refused over TLS ends with its ACK',
    kind: 'invite-client',
    isReliable: true,
    steps: [
      ['', 0, 'calling', 'send B@32000'],
      ['1xx', 1, 'proceeding', '-A -B pass'],
      ['3xx-6xx', 100, 'terminated', 'ack pass terminate'],
    ],
  },
  {
    name: 'INVITE whose connection dies while ringing fails',
    kind: 'invite-client',
    isReliable: true,
    steps: [
      ['', 0, 'calling', 'send B@32000'],
      ['1xx', 1, 'proceeding', '-A -B pass'],
      ['transport-error', 2, 'terminated', 'failure terminate'],
    ],
  },
  {
    name: 'OPTIONS over UDP backs off to T2, waits T2 in proceeding and absorbs copies for T4',
    kind: 'non-invite-client',
    isReliable: false,
    steps: [
      ['', 0, 'trying', 'send E@500 F@32000'],
      ['timer E', 500, 'trying', 'send E@1500'],
      ['timer E', 1500, 'trying', 'send E@3500'],
      ['timer E', 3500, 'trying', 'send E@7500'],
      ['timer E', 7500, 'trying', 'send E@11500'],
      ['1xx', 8000, 'proceeding', 'pass'],
      ['timer E', 11_500, 'proceeding', 'send E@15500'],
      ['2xx', 12_000, 'completed', '-E -F K@17000 pass'],
      ['2xx', 12_100, 'completed', 'drop'],
      ['timer K', 17_000, 'terminated', 'terminate'],
    ],
  },
  {
    name: 'REGISTER over TLS ends with its final response',
    kind: 'non-invite-client',
    isReliable: true,
    steps: [
      ['', 0, 'trying', 'send F@32000'],
      ['3xx-6xx', 50, 'terminated', '-E -F pass terminate'],
    ],
  },
  {
    name: 'REGISTER over TLS without answer times out by Timer F, also after a provisional response',
    kind: 'non-invite-client',
    isReliable: true,
    steps: [
      ['', 0, 'trying', 'send F@32000'],
      ['1xx', 50, 'proceeding', 'pass'],
      ['timer F', 32_000, 'terminated', 'timeout terminate'],
    ],
  },
  {
    name: 'INVITE served over UDP: the refusal is repeated until the ACK, which is absorbed for T4',
    kind: 'invite-server',
    isReliable: false,
    steps: [
      ['', 0, 'proceeding', ''],
      ['request', 100, 'proceeding', 'send'],
      ['u1xx', 200, 'proceeding', 'send'],
      ['u3xx-6xx', 1000, 'completed', 'G@1500 H@33000 send'],
      ['request', 1200, 'completed', 'send'],
      ['timer G', 1500, 'completed', 'send G@2500'],
      ['timer G', 2500, 'completed', 'send G@4500'],
      ['timer G', 4500, 'completed', 'send G@8500'],
      ['timer G', 8500, 'completed', 'send G@12500'],
      ['ack', 9000, 'confirmed', '-G -H I@14000'],
      ['ack', 9100, 'confirmed', ''],
      ['request', 9200, 'confirmed', ''],
      ['timer I', 14_000, 'terminated', 'terminate'],
    ],
  },
  {
    name: 'INVITE served over TLS: a refusal without ACK ends by Timer H',
    kind: 'invite-server',
    isReliable: true,
    steps: [
      ['', 0, 'proceeding', ''],
      ['u3xx-6xx', 0, 'completed', 'H@32000 send'],
      ['u2xx', 1, 'completed', 'drop'],
      ['timer H', 32_000, 'terminated', 'timeout terminate'],
    ],
  },
  {
    name: 'INVITE accepted: copies are absorbed, more 2xx go out, ACK passes, for 32 s',
    kind: 'invite-server',
    isReliable: true,
    steps: [
      ['', 0, 'proceeding', ''],
      ['u2xx', 1000, 'accepted', 'L@33000 send'],
      ['request', 1100, 'accepted', ''],
      ['u2xx', 1500, 'accepted', 'send'],
      ['ack', 1600, 'accepted', 'pass'],
      ['u3xx-6xx', 1700, 'accepted', 'drop'],
      ['timer L', 33_000, 'terminated', 'terminate'],
    ],
  },
  {
    name: 'MESSAGE served over UDP repeats its latest response for 32 s',
    kind: 'non-invite-server',
    isReliable: false,
    steps: [
      ['', 0, 'trying', ''],
      ['request', 100, 'trying', ''],
      ['u1xx', 200, 'proceeding', 'send'],
      ['request', 300, 'proceeding', 'send'],
      ['u2xx', 400, 'completed', 'J@32400 send'],
      ['request', 500, 'completed', 'send'],
      ['u2xx', 600, 'completed', 'drop'],
      ['timer J', 32_400, 'terminated', 'terminate'],
    ],
  },
  {
    name: 'BYE served over TLS ends with its final response',
    kind: 'non-invite-server',
    isReliable: true,
    steps: [
      ['', 0, 'trying', ''],
      ['u3xx-6xx', 1, 'terminated', 'send terminate'],
      ['request', 2, 'terminated', 'drop'],
    ],
  },
];

describe('transaction machines', () => {
  it.each(WALKS)('$name', ({ kind, isReliable, steps }) => {
    const machine = new TransactionMachine(kind, isReliable, RFC_TIMINGS);
    for (const [input, now, state, actions] of steps) {
      const done = input === '' ? machine.start(now) : machine.handle(input, now);
      expect([input, machine.state, words(done)]).toEqual([input, state, actions]);
    }
  });
});
