// The loop that keeps a link alive, with time moved by hand.
import { describe, expect, it } from 'vitest';
import { LinkError } from './link-error.ts';
import { type SupervisedLink, Supervisor, type SupervisorOptions, backoffMs } from './supervisor.ts';
import { ManualClock } from './test-clock.ts';

const BACKOFF = { firstMs: 200, maxMs: 3000, goodAfterMs: 5000 };

/** Lets every promise that is due settle; no time passes. */
const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
};

function start(change: Partial<SupervisorOptions> = {}) {
  const clock = new ManualClock();
  const states: string[] = [];
  const dials: {
    resolve: (link: SupervisedLink) => void;
    reject: (error: Error) => void;
    signal: AbortSignal;
  }[] = [];
  const supervisor = new Supervisor({
    connect: (signal) =>
      new Promise((resolve, reject) => {
        dials.push({ resolve, reject, signal });
        signal.addEventListener('abort', () => reject(new LinkError('closed', 'aborted')));
      }),
    onState: (state, words) => states.push(words === '' ? state : `${state}: ${words}`),
    backoff: BACKOFF,
    clock,
    random: () => 0.999,
    ...change,
  });
  supervisor.start();
  return { clock, states, dials, supervisor };
}

function link() {
  let end: (words: string) => void = () => {};
  const ended = new Promise<string>((resolve) => (end = resolve));
  return { link: { ended, close: (words: string) => end(words) }, end };
}

describe('back-off', () => {
  it.each([
    [0, 0.5, 100],
    [1, 0.5, 200],
    [3, 1, 1600],
    [4, 1, 3000],
    [1000, 1, 3000],
    [5, 0, 50],
  ])('after %d failures at chance %d waits %d ms', (failures, random, ms) => {
    expect(backoffMs(failures, BACKOFF, random)).toBe(ms);
  });
});

describe('a supervisor', () => {
  it('tries again after each failure, never later than the longest pause', async () => {
    const { clock, dials, states, supervisor } = start();
    for (let tries = 1; tries <= 8; tries += 1) {
      expect(dials).toHaveLength(tries);
      dials.at(-1)?.reject(new LinkError('unreachable', 'no'));
      await settle();
      clock.advance(3000);
      await settle();
    }
    expect(states.slice(0, 3)).toEqual(['connecting', 'down: no', 'connecting']);
    await supervisor.close('over');
    expect(clock.pending).toBe(0);
  });

  it('begins with short pauses again after a good life, not after a short one', async () => {
    const { clock, dials, supervisor } = start();
    for (const [lives, pause] of [
      [0, 200],
      [0, 400],
      [4999, 800],
      [5000, 200],
    ] as const) {
      const { link: live, end } = link();
      dials.at(-1)?.resolve(live);
      await settle();
      clock.advance(lives);
      end('gone');
      await settle();
      const before = dials.length;
      clock.advance(pause - 2);
      await settle();
      expect(dials).toHaveLength(before);
      clock.advance(2);
      await settle();
      expect(dials).toHaveLength(before + 1);
    }
    await supervisor.close('over');
  });

  it.each(['while dialling', 'while up', 'while waiting'])('ends %s, for good', async (when) => {
    const { clock, dials, states, supervisor } = start();
    const { link: live } = link();
    if (when === 'while up') dials[0]?.resolve(live);
    if (when === 'while waiting') dials[0]?.reject(new LinkError('unreachable', 'no'));
    await settle();
    await supervisor.close('over');
    await supervisor.close('over');
    clock.advance(60_000);
    expect(dials).toHaveLength(1);
    expect(clock.pending).toBe(0);
    if (when === 'while up') expect(states.at(-1)).toBe('down: over');
  });
});
