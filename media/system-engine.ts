// The packet engine on this machine: the native one when it was built, else its portable twin; the machine's clock,
// timers and randomness.
import { randomBytes } from 'node:crypto';
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
 * tests and for an operator who suspects the native engine.
 */
export function openEngine(
  limits: EngineLimits,
  sweepMs: number,
  onEvent: (event: EngineEvent) => void,
  wanted: 'native' | 'portable' = 'native',
): OpenedEngine {
  const binding = wanted === 'native' ? loadBinding() : { missing: 'the configuration asks for this one' };
  if ('missing' in binding) {
    const engine = createPortableEngine({
      now: () => performance.now(),
      every,
      randomToken: () => randomBytes(4).readUInt32BE(),
      onEvent,
      sweepMs,
      limits,
    });
    return { engine, what: `media engine: portable (native: ${binding.missing})` };
  }
  const engine = createNativeEngine(binding, { every, onEvent, sweepMs, limits });
  return { engine, what: 'media engine: native' };
}

function every(periodMs: number, action: () => void): () => void {
  const timer = setInterval(action, periodMs).unref();
  return () => clearInterval(timer);
}
