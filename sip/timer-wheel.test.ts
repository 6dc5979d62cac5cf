// The wheel beside a plain sorted list: same timers fire, never early, late by less than a tick.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimerWheel } from './timer-wheel.ts';

// The same cases in every run: a failure must not depend on who runs it.
fc.configureGlobal({ seed: 3261 });

describe('timer wheel', () => {
  it('fires what is due and nothing twice, over several turns of the wheel', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ delay: fc.integer({ min: 0, max: 60_000 }), isCleared: fc.boolean() }), {
          maxLength: 50,
        }),
        fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 20 }),
        (timers, moves) => {
          const wheel = new TimerWheel(10, 0);
          const fired = new Map<number, number>();
          let now = 0;
          for (const [index, { delay, isCleared }] of timers.entries()) {
            const timer = wheel.set(delay, () => fired.set(index, now));
            if (isCleared) wheel.clear(timer);
          }
          let before = 0;
          for (const move of [...moves, 60_020]) {
            before = now;
            now += move;
            wheel.advance(now);
            for (const [index, { delay, isCleared }] of timers.entries()) {
              if (isCleared) expect(fired.has(index)).toBe(false);
              else if (delay <= now - 20) expect(fired.has(index)).toBe(true);
              else if (delay > now) expect(fired.has(index)).toBe(false);
            }
          }
          expect(before).toBeLessThan(now);
          expect(wheel.size).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('says when it is armed, and leaves a timer set while firing for the next tick', () => {
    let armed = 0;
    const wheel = new TimerWheel(10, 0, () => armed++);
    const fired: string[] = [];
    wheel.set(10, () => {
      fired.push('first');
      wheel.set(10, () => fired.push('second'));
    });
    wheel.advance(10);
    expect(fired).toEqual(['first']);
    wheel.advance(20);
    expect([fired, armed]).toEqual([['first', 'second'], 2]);
  });

  it('does not fire a timer that another one of the same tick clears', () => {
    const wheel = new TimerWheel(10, 0);
    const fired: string[] = [];
    const timers = [1, 2].map((name) =>
      wheel.set(10, () => {
        fired.push(String(name));
        for (const timer of timers) wheel.clear(timer);
      }),
    );
    wheel.advance(10);
    expect(fired).toHaveLength(1);
    expect(wheel.size).toBe(0);
  });
});
