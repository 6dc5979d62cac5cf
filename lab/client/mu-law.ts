// G.711 µ-law: 16-bit linear samples to 8-bit codes and back (ITU-T G.711 table 2a/2b). Lossy; a decoded
// sample encodes to the same code again.

const bias = 0x84;
const clip = 32_635;

/** Encodes linear samples, one byte each. */
export function encodeMuLaw(samples: Int16Array): Buffer {
  const codes = Buffer.alloc(samples.length);
  for (const [index, sample] of samples.entries()) codes[index] = encodeSample(sample);
  return codes;
}

/** Decodes codes, one sample each. */
export function decodeMuLaw(codes: Uint8Array): Int16Array {
  return Int16Array.from(codes, decodeCode);
}

function encodeSample(sample: number): number {
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(clip, Math.abs(sample)) + bias;
  // The segment is the position of the highest set bit above bit 7.
  const segment = 31 - Math.clz32(magnitude >> 7);
  const mantissa = (magnitude >> (segment + 3)) & 0x0f;
  return ~(sign | (segment << 4) | mantissa) & 0xff;
}

function decodeCode(code: number): number {
  const bits = ~code & 0xff;
  const magnitude = ((((bits & 0x0f) << 3) + bias) << ((bits >> 4) & 0x07)) - bias;
  return (bits & 0x80) !== 0 ? -magnitude : magnitude;
}
