// The control codec: what is printed is parsed back whatever the cuts, and nothing a peer sends does more than raise
// its own error (T-145, T-147).
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ControlFrame,
  FrameDecoder,
  FrameError,
  MAX_FRAME_BYTES,
  parseFrame,
  printFrame,
} from './frame.ts';

const type = fc.stringMatching(/^[a-z][a-z0-9]{0,10}([.-][a-z0-9]{1,10}){0,3}$/);
const id = fc.integer({ min: 1, max: 0xffff_ffff });
const body = fc.jsonValue({ maxDepth: 3 });
const frame = fc.oneof(
  fc.record({ v: fc.constant(1), kind: fc.constantFrom('request', 'reply'), id, type, body }),
  fc.record({ v: fc.constant(1), kind: fc.constant('notify'), id: fc.constant(0), type, body }),
  fc.record({
    v: fc.constant(1),
    kind: fc.constant('error'),
    id,
    type,
    body: fc.record({ code: fc.constant('busy') }),
  }),
) as fc.Arbitrary<ControlFrame>;

const wrap = (text: string | Buffer): Buffer => {
  const bytes = Buffer.from(text as string);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};

describe('the control codec', () => {
  it('gives back what was printed, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 5 }),
        fc.array(fc.integer({ min: 1, max: 40 })),
        (frames, cuts) => {
          const bytes = Buffer.concat(frames.map(printFrame));
          const decoder = new FrameDecoder();
          const out: ControlFrame[] = [];
          let at = 0;
          for (const cut of [...cuts, bytes.length]) {
            out.push(...decoder.push(bytes.subarray(at, at + cut)));
            at = Math.min(bytes.length, at + cut);
          }
          expect(out).toEqual(frames.map((each) => JSON.parse(JSON.stringify(each)) as unknown));
        },
      ),
    );
  });

  it('raises nothing but its own error on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        for (const parse of [
          () => parseFrame(Buffer.from(bytes)),
          () => new FrameDecoder().push(Buffer.from(bytes)),
        ])
          try {
            parse();
          } catch (error) {
            expect(error).toBeInstanceOf(FrameError);
          }
      }),
    );
  });

  it.each([
    ['a length of nothing', Buffer.from([0, 0, 0, 0]), 'length'],
    ['a length of one', Buffer.from([0, 0, 0, 1, 0x30]), 'length'],
    ['a length over the limit, before any of its body', Buffer.from([0, 1, 0, 1]), 'length'],
    ['the largest length there is', Buffer.from([0xff, 0xff, 0xff, 0xff]), 'length'],
    ['broken UTF-8', wrap(Buffer.from([0x22, 0xc3, 0x28, 0x22])), 'utf8'],
    ['a lone surrogate in bytes', wrap(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])), 'utf8'],
    ['a byte order mark', wrap('\ufeff{}'), 'json'],
    ['no JSON', wrap('GET / HTTP/1.1'), 'json'],
    ['deep nesting', wrap('['.repeat(60_000)), 'json'],
    ['deep but closed nesting', wrap('['.repeat(30_000) + ']'.repeat(30_000)), 'shape'],
    ['an array', wrap('[1]'), 'shape'],
    ['another version', wrap('{"v":2,"kind":"notify","id":0,"type":"a","body":1}'), 'shape'],
    ['an unknown kind', wrap('{"v":1,"kind":"exec","id":1,"type":"a","body":1}'), 'shape'],
    ['a member too many', wrap('{"v":1,"kind":"notify","id":0,"type":"a","body":1,"x":1}'), 'shape'],
    ['a notification with an id', wrap('{"v":1,"kind":"notify","id":1,"type":"a","body":1}'), 'shape'],
    ['a request without one', wrap('{"v":1,"kind":"request","type":"a","body":1}'), 'shape'],
    ['a request with id 0', wrap('{"v":1,"kind":"request","id":0,"type":"a","body":1}'), 'shape'],
    ['an id that is no integer', wrap('{"v":1,"kind":"request","id":1.5,"type":"a","body":1}'), 'shape'],
    ['an id too large', wrap('{"v":1,"kind":"request","id":4294967296,"type":"a","body":1}'), 'shape'],
    ['a type in capitals', wrap('{"v":1,"kind":"request","id":1,"type":"A","body":1}'), 'shape'],
    ['a type like a prototype', wrap('{"v":1,"kind":"request","id":1,"type":"__proto__","body":1}'), 'shape'],
    ['an error without a code', wrap('{"v":1,"kind":"error","id":1,"type":"a","body":{}}'), 'shape'],
  ])('refuses %s', (_name, bytes, code) => {
    expect(() => new FrameDecoder().push(bytes)).toThrow(
      expect.objectContaining({ name: 'FrameError', code }),
    );
  });

  it('prints nothing that the other side would refuse', () => {
    const frameOf = (length: number): ControlFrame => ({
      v: 1,
      kind: 'notify',
      id: 0,
      type: 'a',
      body: 'x'.repeat(length),
    });
    const overhead = printFrame(frameOf(0)).length - 4;
    expect(new FrameDecoder().push(printFrame(frameOf(MAX_FRAME_BYTES - overhead)))).toHaveLength(1);
    expect(() => printFrame(frameOf(MAX_FRAME_BYTES - overhead + 1))).toThrow(FrameError);
  });

  it('keeps a body of JSON from touching prototypes', () => {
    const [parsed] = new FrameDecoder().push(
      wrap('{"v":1,"kind":"notify","id":0,"type":"a","body":{"__proto__":{"polluted":1}}}'),
    );
    expect(parsed?.kind).toBe('notify');
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});
