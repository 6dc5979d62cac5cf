// The packet engine on this machine: its clock, timers and randomness. The place where a native engine is chosen
// when one was built.
import { randomBytes } from 'node:crypto';
import type { EngineEvent, MediaEngine } from './engine.ts';
import { createPortableEngine, type EngineLimits } from './portable-engine/portable-engine.ts';

/** Opens an engine whose limits are `limits`; looks for idle flows every `sweepMs`. */
export function openEngine(
  limits: EngineLimits,
  sweepMs: number,
  onEvent: (event: EngineEvent) => void,
): MediaEngine {
  return createPortableEngine({
    now: () => performance.now(),
    every: (periodMs, action) => {
      const timer = setInterval(action, periodMs).unref();
      return () => clearInterval(timer);
    },
    randomToken: () => randomBytes(4).readUInt32BE(),
    onEvent,
    sweepMs,
    limits,
  });
}
