// Status: what is shown, since when, and that each change is logged once.
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Pair } from './pair/pair.ts';
import { ManualClock } from './test-clock.ts';
import { CORE, EDGE, pairForTest, silentLog, zoneOf } from './test-zone.ts';
import { StatusBoard } from './zone-status.ts';

const DAY_MS = 86_400_000;
const OPTIONS = { clockWarnMs: 10_000, expiryWarnDays: 30, configHash: 'h' };
let pair: Pair;
let clock: ManualClock;
let lines: string[];
let board: StatusBoard;
beforeAll(async () => {
  pair = await pairForTest({ now: new ManualClock().wall(), days: 365 });
});
beforeEach(() => {
  clock = new ManualClock();
  lines = [];
  board = boardOf(pair);
});

function boardOf(of: Pair): StatusBoard {
  const note = (_fields: object, text: string) => void lines.push(text);
  return new StatusBoard(zoneOf(of, EDGE), [CORE], 'not yet', OPTIONS, clock, {
    ...silentLog,
    info: note,
    warn: note,
  });
}

const https = () => board.all()[0]?.planes.https;

describe('a plane', () => {
  it('shows its last cause while it is tried again, and since when', () => {
    board.set(CORE, 'https', 'connecting', '');
    expect(https()).toMatchObject({ state: 'connecting' });
    board.set(CORE, 'https', 'down', 'refused');
    const since = clock.wall();
    clock.advance(1000);
    for (let tries = 0; tries < 3; tries += 1) {
      board.set(CORE, 'https', 'connecting', '');
      board.set(CORE, 'https', 'down', 'refused');
    }
    expect(https()).toEqual({ state: 'down', cause: 'refused', since });
    board.set(CORE, 'https', 'down', 'another reason');
    expect(https()).toEqual({ state: 'down', cause: 'another reason', since });
    board.set(CORE, 'https', 'up', '');
    expect(https()).toEqual({ state: 'up', cause: '', since: clock.wall() });
    board.set(CORE, 'https', 'up', 'partly up: no answer from one port');
    board.set(CORE, 'https', 'up', '');
    expect(lines).toEqual([
      'https link is down',
      'https link is down',
      'https link is up',
      'https link is partly up',
      'https link is up',
    ]);
  });
});

describe('a refusal of someone who claims to be the peer', () => {
  it('is shown while the peer is not there, and never hides one that is', () => {
    board.explain(CORE, 'https', 'key differs');
    board.explain('nobody', 'https', 'key differs');
    expect(https()).toMatchObject({ state: 'down', cause: 'key differs' });
    board.set(CORE, 'https', 'up', '');
    board.explain(CORE, 'https', 'key differs');
    expect(https()).toMatchObject({ state: 'up', cause: '' });
  });
});

describe('warnings', () => {
  it('name the clock once, however its seconds wander, and again after it was right', () => {
    for (const skew of [94_000, 95_000, 0, 94_000]) board.setMeasured(CORE, 5, skew);
    expect(lines).toEqual([
      "clock differs by 94 s (the peer's is ahead): set both by NTP",
      "clock differs by 94 s (the peer's is ahead): set both by NTP",
    ]);
    expect(board.all()[0]).toMatchObject({ rttMs: 5, clockSkewMs: 94_000 });
    board.forget(CORE);
    expect(board.all()[0]).toMatchObject({ rttMs: undefined, warnings: [] });
  });

  it.each([
    [334, []],
    [336, ['the certificate of edge.example.com ends in 29 days: renew it with viaduct renew']],
    [366, ['the certificate of edge.example.com has expired: renew it with viaduct renew']],
  ])('after %d days of a year: %o', (days, warnings) => {
    clock.advance(days * DAY_MS);
    expect(board.all()[0]?.warnings).toEqual(warnings);
  });

  it('begin in the last third of a short life', async () => {
    board = boardOf(await pairForTest({ now: clock.wall(), days: 3 }));
    clock.advance(1.8 * DAY_MS);
    expect(board.all()[0]?.warnings).toEqual([]);
    clock.advance(0.3 * DAY_MS);
    expect(board.all()[0]?.warnings).toHaveLength(1);
  });
});
