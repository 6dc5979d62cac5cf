// Intervals of 24 hours: what each counts, when it ends, how many are kept, what comes back after a restart.
import { describe, expect, test } from 'vitest';
import type { IceCallSummary } from './ice-call.ts';
import { IceMetrics, readInterval, type IceInterval } from './ice-metrics.ts';

const DAY = 86_400_000;

function start(nowMs = 1000) {
  const clock = { nowMs };
  const told: IceInterval[] = [];
  const metrics = new IceMetrics({
    intervalMs: DAY,
    maxIntervals: 60,
    nowMs: () => clock.nowMs,
    onInterval: (interval) => told.push(interval),
  });
  return { clock, told, metrics };
}

const call = (part: Partial<IceCallSummary> = {}): IceCallSummary => ({
  isConfigured: true,
  offers: 2,
  type: 'none',
  ...part,
});

describe('one interval', () => {
  test.each([
    [
      'moved off',
      call({ type: 'srflx_to_relay' }),
      { optimized: 1, notOptimized: 0, offered: 1, configured: 1 },
    ],
    ['stayed although both do ICE', call(), { optimized: 0, notOptimized: 1, offered: 1, offeredByOne: 0 }],
    ['one end does ICE', call({ offers: 1 }), { offered: 1, offeredByOne: 1, notOptimized: 1 }],
    ['no end does ICE', call({ offers: 0 }), { offered: 0, withoutCandidates: 1, notOptimized: 0 }],
    ['not switched on', call({ isConfigured: false }), { configured: 0, offeredUnconfigured: 1 }],
  ])('a call that %s', (_name, summary, expected) => {
    const { metrics } = start();
    metrics.ended(summary);
    expect(metrics.current()).toMatchObject({ connected: 1, startMs: 1000, endMs: 1000 + DAY, ...expected });
  });

  test('each of the six types has its own counter', () => {
    const { metrics } = start();
    metrics.ended(call({ type: 'host_to_host' }));
    metrics.ended(call({ type: 'host_to_host' }));
    metrics.ended(call({ type: 'relay_to_relay' }));
    expect(metrics.current().types).toEqual({
      host_to_host: 2,
      host_to_srflx: 0,
      host_to_relay: 0,
      srflx_to_srflx: 0,
      srflx_to_relay: 0,
      relay_to_relay: 1,
    });
  });
});

describe('many intervals', () => {
  test('one ends after 24 hours to the millisecond, at the time of day of the start', () => {
    const { clock, metrics, told } = start(5 * 3_600_000);
    metrics.ended(call());
    clock.nowMs += DAY - 1;
    expect(metrics.history()).toEqual([]);
    clock.nowMs += 1;
    expect(metrics.history()).toMatchObject([{ connected: 1, startMs: 5 * 3_600_000 }]);
    expect(metrics.current()).toMatchObject({ connected: 0, startMs: 5 * 3_600_000 + DAY });
    expect(told).toEqual(metrics.history());
  });

  test('the 60 latest are kept, most recent first', () => {
    const { clock, metrics } = start(0);
    for (let day = 0; day < 70; day++) {
      for (let calls = 0; calls < day; calls++) metrics.ended(call());
      clock.nowMs += DAY;
    }
    const history = metrics.history();
    expect(history.map(({ connected }) => connected)).toEqual(Array.from({ length: 60 }, (_, at) => 69 - at));
  });

  test('a machine that slept for years has sixty empty days, and the right day today', () => {
    const { clock, metrics } = start(0);
    metrics.ended(call());
    clock.nowMs += 5000 * DAY + 7;
    expect(metrics.history()).toHaveLength(60);
    expect(metrics.current()).toMatchObject({ startMs: 5000 * DAY, endMs: 5001 * DAY });
    expect(metrics.history()[0]).toMatchObject({ connected: 0, startMs: 4999 * DAY });
  });

  test('what was kept comes back in order, what is no interval does not', () => {
    const { clock, metrics, told } = start(0);
    clock.nowMs += 3 * DAY;
    metrics.current();
    const kept = told.map((interval) => readInterval(JSON.stringify(interval)));
    expect(kept).toEqual(told);
    const later = start(10 * DAY);
    later.metrics.restore([kept[1]!, kept[2]!, kept[0]!]);
    expect(later.metrics.history().map(({ startMs }) => startMs)).toEqual([2 * DAY, DAY, 0]);
    expect(['', '{}', '[]', 'null', '{"startMs":"x"}'].map(readInterval)).toEqual(Array(5).fill(undefined));
  });
});
