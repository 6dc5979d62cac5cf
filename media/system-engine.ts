// The packet engine on this machine: the native one when it was built, else its portable twin; the machine's clock,
// timers and randomness.
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { EngineEvent, MediaEngine } from './engine.ts';
import { loadBinding } from './native/binding.ts';
import { createNativeEngine } from './native/native-engine.ts';
import { createPortableEngine, type EngineLimits } from './portable-engine/portable-engine.ts';

export interface OpenedEngine {
  readonly engine: MediaEngine;
  /** One sentence for the log: which engine this is, and why when it is not the native one. */
  readonly what: string;
}

/**
 * Opens an engine whose limits are `limits`; looks for idle flows every `sweepMs`. `wanted` keeps a choice open for
 * tests and for an operator who suspects the native engine; it works with so many `threads`,
 * with 0 one for each processor but one.
 */
export function openEngine(
  limits: EngineLimits,
  sweepMs: number,
  onEvent: (event: EngineEvent) => void,
  wanted: 'native' | 'portable' = 'native',
  threads = 1,
): OpenedEngine {
  const shards = threads === 0 ? Math.max(1, availableParallelism() - 1) : threads;
  const binding = wanted === 'native' ? loadBinding() : { missing: 'the configuration asks for this one' };
  if ('missing' in binding) {
    const engine = createPortableEngine({
      ...clocks,
      every,
      randomToken: () => randomBytes(4).readUInt32BE(),
      onEvent,
      sweepMs,
      limits,
      shards,
    });
    return { engine, what: `media engine: portable (native: ${binding.missing})` };
  }
  const engine = createNativeEngine(binding, { ...clocks, every, onEvent, sweepMs, limits, shards });
  return { engine, what: `media engine: native, ${shards} ${shards === 1 ? 'thread' : 'threads'}` };
}

const clocks = { now: (): number => performance.now(), timeOfDay: (): number => Date.now() };

function every(periodMs: number, action: () => void): () => void {
  const timer = setInterval(action, periodMs).unref();
  return () => clearInterval(timer);
}
