import { expect, test } from 'vitest';
import { decodeMuLaw, encodeMuLaw } from './mu-law.ts';
import { levelDb, samplesPerFrame, ToneGenerator, toneShare } from './tone.ts';

function frames(frequencyHz: number, count: number): Int16Array {
  const generator = new ToneGenerator(frequencyHz);
  const samples = new Int16Array(count * samplesPerFrame);
  for (let index = 0; index < count; index += 1) samples.set(generator.nextFrame(), index * samplesPerFrame);
  return samples;
}

test.each([440, 620, 880, 1004])('a tone of %i Hz survives µ-law and is told from others', (frequencyHz) => {
  const heard = decodeMuLaw(encodeMuLaw(frames(frequencyHz, 5)));
  expect(toneShare(heard, frequencyHz)).toBeGreaterThan(0.99);
  for (const other of [300, 750, 1300]) expect(toneShare(heard, other)).toBeLessThan(0.1);
  expect(levelDb(heard)).toBeCloseTo(levelDb(frames(frequencyHz, 5)), 0);
});

test('silence and noise hold no tone', () => {
  expect(toneShare(new Int16Array(800), 440)).toBe(0);
  let state = 1;
  const noise = Int16Array.from({ length: 800 }, () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return (state >> 15) - 32_768;
  });
  expect(toneShare(noise, 440)).toBeLessThan(0.1);
});

test('frames join without a break: one long frame gives the same share', () => {
  expect(toneShare(frames(440, 10), 440)).toBeGreaterThan(0.999);
});

test.each([
  [0, 0xff],
  [-32_768, 0x00],
  [32_767, 0x80],
])('G.711: sample %i is code 0x%s', (sample, code) => {
  expect(encodeMuLaw(Int16Array.of(sample))[0]).toBe(code);
});

test('each code decodes to a sample that encodes to the same code, but for the two zeros', () => {
  const codes = Uint8Array.from({ length: 256 }, (_, index) => index);
  const again = encodeMuLaw(decodeMuLaw(codes));
  expect([...codes].filter((code) => again[code] !== code)).toEqual([0x7f]);
});
