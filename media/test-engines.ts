// The engines that this machine has, for the suites that every engine passes: the clock and the sweep are the test's.
import type { EngineEvent, MediaEngine } from './engine.ts';
import { loadBinding } from './native/binding.ts';
import { createNativeEngine } from './native/native-engine.ts';
import { createPortableEngine, type EngineLimits } from './portable-engine/portable-engine.ts';

export interface TestEngine {
  readonly engine: MediaEngine;
  /** Milliseconds; what a test sets holds for every packet sent afterwards. The time of day is that far ahead. */
  readonly clock: { now: number; dayAheadMs: number };
  readonly sweep: () => void;
}

type Open = (limits: EngineLimits, onEvent: (event: EngineEvent) => void, shards?: number) => TestEngine;

const SWEEP_MS = 1000;

/** `every` for an engine under test: runs when the test says so. */
function sweeper(): { every: (periodMs: number, action: () => void) => () => void; sweep: () => void } {
  let sweep = (): void => {};
  return {
    every: (_period, action) => {
      sweep = action;
      return () => {};
    },
    sweep: () => sweep(),
  };
}

const portable: Open = (limits, onEvent, shards = 1) => {
  const clock = { now: 1000, dayAheadMs: 0 };
  const { every, sweep } = sweeper();
  let token = 0xfffffff0;
  const engine = createPortableEngine({
    now: () => clock.now,
    timeOfDay: () => clock.now + clock.dayAheadMs,
    shards,
    every,
    randomToken: () => token++,
    onEvent,
    sweepMs: SWEEP_MS,
    limits,
  });
  return { engine, clock, sweep };
};

const binding = loadBinding();
if ('missing' in binding) process.stderr.write(`SKIPPED native media engine: ${binding.missing}\n`);

const native: Open = (limits, onEvent, shards = 1) => {
  if ('missing' in binding) throw new Error(binding.missing);
  const { every, sweep } = sweeper();
  let now = 1000;
  const clocks = { now: (): number => now, timeOfDay: (): number => now + clock.dayAheadMs };
  const clock = {
    dayAheadMs: 0,
    get now() {
      return now;
    },
    set now(value) {
      now = value;
      engine.setClock(value);
    },
  };
  const options = { ...clocks, every, onEvent, sweepMs: SWEEP_MS, limits, shards };
  const engine = createNativeEngine(binding, options);
  engine.setClock(now);
  return { engine, clock, sweep };
};

/** Name and constructor of each engine; the native one only where it was built. */
export const ENGINES: readonly (readonly [name: MediaEngine['kind'], open: Open])[] = [
  ['portable', portable],
  ...('missing' in binding ? [] : [['native', native] as const]),
];
