// A call between two phones as a test tells it: dial, accept, talk for a while, hang up, listen to the recordings.
import { setTimeout as duration } from 'node:timers/promises';
import { expect } from 'vitest';
import type { Baresip } from '../interop/baresip.ts';
import { listen, type ToneReport } from '../interop/tone.ts';
import { UCM_NAME } from './addresses.ts';

/** Root mean square of the tone a phone speaks (amplitude 12,000), before G.711. */
export const SPOKEN_RMS = 12_000 / Math.SQRT2;

/** Places in both event streams, taken before something happens. */
export interface Marks {
  readonly caller: number;
  readonly callee: number;
}

export function marks(caller: Baresip, callee: Baresip): Marks {
  return { caller: caller.mark(), callee: callee.mark() };
}

/** Dials and accepts; resolves when both phones call it established. */
export async function establish(caller: Baresip, callee: Baresip, timeoutMs = 10_000): Promise<void> {
  const since = marks(caller, callee);
  await caller.command('dial', `sip:${callee.options.user}@${UCM_NAME}`);
  await callee.happened('CALL_INCOMING', since.callee, timeoutMs);
  await callee.command('accept');
  await Promise.all([
    caller.happened('CALL_ESTABLISHED', since.caller, timeoutMs),
    callee.happened('CALL_ESTABLISHED', since.callee, timeoutMs),
  ]);
}

/** Lets them talk. A duration, not a wait for something. */
export async function talk(seconds: number): Promise<void> {
  await duration(seconds * 1000);
}

/** One hangs up; resolves when the other has noticed. */
export async function hangUp(who: Baresip, other: Baresip, timeoutMs = 10_000): Promise<void> {
  const since = other.mark();
  await who.command('hangup');
  await other.happened('CALL_CLOSED', since, timeoutMs);
}

/** What `phone` heard of a tone, from the first half second (jitter buffer, key exchange) to `toSeconds`. */
export function heardBy(phone: Baresip, hz: number, toSeconds: number, fromSeconds = 0.5): ToneReport {
  return listen(phone.recording(), { hz, fromSeconds, toSeconds });
}

/** The tone without gaps, at the level it was spoken (± 1 dB), for as long as it was spoken. */
export function expectClean(heard: ToneReport, seconds: number): void {
  expect(heard.seconds).toBeGreaterThan(seconds * 0.9);
  expect(heard.continuity).toBeGreaterThanOrEqual(0.99);
  expect(20 * Math.log10(heard.rms / SPOKEN_RMS)).toBeGreaterThan(-1);
  expect(20 * Math.log10(heard.rms / SPOKEN_RMS)).toBeLessThan(1);
}
