// Tones: written as WAV files for a phone to speak, found again in what the other phone recorded. The detector is
// Goertzel's filter over short windows, so that a gap of one packet is seen. 16-bit PCM, one channel.
import { readFileSync, writeFileSync } from 'node:fs';

const HEADER_BYTES = 44;

/** Writes a sine of `hz` as a WAV file of `seconds`; amplitude of 32,767 full scale. */
export function writeTone(
  file: string,
  tone: { hz: number; seconds: number; amplitude: number; sampleRate: number },
): void {
  const count = Math.round(tone.seconds * tone.sampleRate);
  const wav = Buffer.alloc(HEADER_BYTES + 2 * count);
  wav.write('RIFF', 0, 'latin1');
  wav.writeUInt32LE(wav.length - 8, 4);
  wav.write('WAVEfmt ', 8, 'latin1');
  wav.writeUInt32LE(16, 16); // length of the format part
  wav.writeUInt16LE(1, 20); // PCM
  wav.writeUInt16LE(1, 22); // channels
  wav.writeUInt32LE(tone.sampleRate, 24);
  wav.writeUInt32LE(2 * tone.sampleRate, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36, 'latin1');
  wav.writeUInt32LE(2 * count, 40);
  const step = (2 * Math.PI * tone.hz) / tone.sampleRate;
  for (let i = 0; i < count; i++) {
    wav.writeInt16LE(Math.round(tone.amplitude * Math.sin(step * i)), HEADER_BYTES + 2 * i);
  }
  writeFileSync(file, wav);
}

/** The samples of a WAV file; a header that was never completed (length 0) is read to the end of the file. */
export function readSamples(file: string): { samples: Int16Array; sampleRate: number } {
  const wav = readFileSync(file);
  if (wav.length < HEADER_BYTES || wav.toString('latin1', 0, 4) !== 'RIFF')
    throw new Error(`${file}: not a WAV file`);
  const data = wav.indexOf('data', 12, 'latin1');
  if (data < 0) throw new Error(`${file}: no sound in it`);
  const body = wav.subarray(data + 8);
  const samples = new Int16Array(body.length >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = body.readInt16LE(2 * i);
  return { samples, sampleRate: wav.readUInt32LE(24) };
}

/** The part of a window's power that lies at `hz` (0 to 1) and its root mean square. */
export function toneOf(window: Int16Array, hz: number, sampleRate: number): { share: number; rms: number } {
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / sampleRate);
  let before = 0;
  let last = 0;
  let energy = 0;
  for (const sample of window) {
    const next = sample + coefficient * last - before;
    before = last;
    last = next;
    energy += sample * sample;
  }
  const power = last * last + before * before - coefficient * last * before;
  const share = energy === 0 ? 0 : (2 * power) / (window.length * energy);
  return { share, rms: Math.sqrt(energy / window.length) };
}

export interface ToneReport {
  readonly seconds: number;
  /** The part of all windows that hold the tone. */
  readonly continuity: number;
  /** The longest run without the tone, in milliseconds. */
  readonly longestGapMs: number;
  /** Root mean square over the windows that hold it. */
  readonly rms: number;
}

export interface ListenOptions {
  readonly hz: number;
  readonly fromSeconds?: number;
  readonly toSeconds?: number;
  /** A multiple of the tone's period keeps neighbours out; 25 ms suits 440 and 880 Hz. */
  readonly windowMs?: number;
}

/** Listens to a recording window by window; a window holds the tone when nine tenths of its power lie there. */
export function listen(file: string, options: ListenOptions): ToneReport {
  const { samples, sampleRate } = readSamples(file);
  return measure(samples, sampleRate, options);
}

/** As `listen`, on samples. */
export function measure(samples: Int16Array, sampleRate: number, options: ListenOptions): ToneReport {
  const windowMs = options.windowMs ?? 25;
  const size = Math.round((sampleRate * windowMs) / 1000);
  const start = Math.round((options.fromSeconds ?? 0) * sampleRate);
  const end = Math.min(samples.length, Math.round((options.toSeconds ?? Infinity) * sampleRate));
  let windows = 0;
  let held = 0;
  let gap = 0;
  let longest = 0;
  let level = 0;
  for (let at = start; at + size <= end; at += size) {
    const { share, rms } = toneOf(samples.subarray(at, at + size), options.hz, sampleRate);
    windows += 1;
    if (share > 0.9 && rms > 100) {
      held += 1;
      level += rms;
      gap = 0;
    } else {
      gap += 1;
      longest = Math.max(longest, gap);
    }
  }
  return {
    seconds: (windows * windowMs) / 1000,
    continuity: windows === 0 ? 0 : held / windows,
    longestGapMs: longest * windowMs,
    rms: held === 0 ? 0 : level / held,
  };
}
