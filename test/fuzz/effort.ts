// How hard the fuzz tests try. The same cases each time, a few seconds in all; VIADUCT_FUZZ=100 tries a hundred times as
// many, VIADUCT_FUZZ_SEED=… other ones. A failure prints its seed and the smallest input.
import type { Parameters } from 'fast-check';

const USUAL_SEED = 20_261_120;

const factor = Number(process.env['VIADUCT_FUZZ'] ?? 1);

/** What fast-check is given for a property that usually runs `runs` times. */
export function effort<T>(runs: number): Parameters<T> {
  return { seed: Number(process.env['VIADUCT_FUZZ_SEED'] ?? USUAL_SEED), numRuns: Math.ceil(runs * factor) };
}

/** Longest time of a test that usually ends within a second. */
export const patienceMs = 20_000 * Math.max(1, factor);
