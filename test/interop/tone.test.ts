// The measuring instrument itself: a tone is found, another one and silence are not, a lost packet shows as a gap.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { listen, measure, readSamples, writeTone } from './tone.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'viaduct-tone-'));
const file = path.join(folder, 'tone.wav');
writeTone(file, { hz: 440, seconds: 2, amplitude: 16_000, sampleRate: 8000 });
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  ['the tone itself', 440, 1],
  ['its octave', 880, 0],
  ['a neighbour', 500, 0],
])('%s', (_name, hz, continuity) => {
  expect(listen(file, { hz }).continuity).toBe(continuity);
});

test('the level of a sine is its amplitude over the root of two', () => {
  expect(listen(file, { hz: 440 }).rms).toBeCloseTo(16_000 / Math.SQRT2, -2);
});

test('one lost packet of 20 ms is a gap of one or two windows', () => {
  const { samples } = readSamples(file);
  samples.fill(0, 8000, 8160);
  const heard = measure(samples, 8000, { hz: 440 });
  expect(heard.longestGapMs).toBeGreaterThanOrEqual(25);
  expect(heard.longestGapMs).toBeLessThanOrEqual(50);
});

test('silence holds no tone', () => {
  expect(measure(new Int16Array(8000), 8000, { hz: 440 }).continuity).toBe(0);
});
