// A test tone and its detector. Audio is 8,000 samples a second, signed 16-bit, in 20 ms frames of 160. The
// detector is Goertzel's: the share of a frame's energy that lies at one frequency, 1 for a pure tone and
// about 1/80 for noise, whatever the level.

export const sampleRate = 8000;
export const samplesPerFrame = 160;

/** A steady sine, frame after frame without a break in phase. Amplitude is a fraction of full scale. */
export class ToneGenerator {
  readonly #step: number;
  readonly #amplitude: number;
  #phase = 0;

  constructor(frequencyHz: number, amplitude = 0.4) {
    this.#step = (2 * Math.PI * frequencyHz) / sampleRate;
    this.#amplitude = amplitude * 32_767;
  }

  nextFrame(): Int16Array {
    const frame = new Int16Array(samplesPerFrame);
    for (let index = 0; index < frame.length; index += 1) {
      frame[index] = Math.round(this.#amplitude * Math.sin(this.#phase));
      this.#phase = (this.#phase + this.#step) % (2 * Math.PI);
    }
    return frame;
  }
}

/** Share of the samples' energy at the frequency, 0 to 1; 0 for silence. */
export function toneShare(samples: Int16Array, frequencyHz: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * frequencyHz) / sampleRate);
  let previous = 0;
  let beforePrevious = 0;
  let energy = 0;
  for (const sample of samples) {
    const current = sample + coefficient * previous - beforePrevious;
    beforePrevious = previous;
    previous = current;
    energy += sample * sample;
  }
  if (energy === 0) return 0;
  const power = previous ** 2 + beforePrevious ** 2 - coefficient * previous * beforePrevious;
  return Math.min(1, (2 * power) / (samples.length * energy));
}

/** Level in decibels of full scale; -Infinity for silence. */
export function levelDb(samples: Int16Array): number {
  const energy = samples.reduce((sum, sample) => sum + sample * sample, 0);
  return 10 * Math.log10(energy / Math.max(1, samples.length) / 32_767 ** 2);
}
