import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FRAME, FrameError, FrameReader, type FrameType, printFrame } from './frame.ts';

const types = Object.keys(FRAME) as FrameType[];
const show = (frames: readonly { type: FrameType; payload: Buffer }[]): string[][] =>
  frames.map(({ type, payload }) => [type, payload.toString()]);

describe('frames', () => {
  it('come out as they went in, however they are cut', () => {
    const frame = fc.tuple(fc.constantFrom(...types), fc.string({ unit: 'binary', maxLength: 50 }));
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 5 }), fc.array(fc.nat(), { maxLength: 8 }), (frames, cuts) => {
        const bytes = Buffer.concat(frames.map(([type, payload]) => printFrame(type, payload)));
        const places = [
          0,
          ...cuts.map((n) => n % (bytes.length + 1)).toSorted((a, b) => a - b),
          bytes.length,
        ];
        const reader = new FrameReader(1000);
        const read = places.slice(1).flatMap((end, n) => reader.read(bytes.subarray(places[n], end)));
        expect(show(read)).toEqual(frames.map(([type, payload]) => [type, Buffer.from(payload).toString()]));
      }),
    );
  });

  it.each([
    ['a type of nobody', Buffer.from([99, 0, 0, 0, 0])],
    ['a type of zero', Buffer.alloc(5)],
    ['a payload over the limit, before it is kept', Buffer.from([1, 0, 0, 0, 11])],
    ['the longest there is', Buffer.from([1, 255, 255, 255, 255])],
  ])('are refused: %s', (_name, bytes) => {
    expect(() => new FrameReader(10).read(bytes)).toThrow(FrameError);
  });

  it('never fail with another error', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 10 }), (chunks) => {
        const reader = new FrameReader(16);
        try {
          for (const chunk of chunks) reader.read(Buffer.from(chunk));
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
    );
  });
});
