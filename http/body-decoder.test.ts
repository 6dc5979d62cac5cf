import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ChunkedDecoder, LengthDecoder } from './body-decoder.ts';

/** Feeds the bytes in pieces of these sizes, over and over; what came out, and how often the decoder was called. */
function decode(decoder: ChunkedDecoder | LengthDecoder, bytes: Buffer, sizes: readonly number[]) {
  const out: Buffer[] = [];
  let at = 0;
  for (let i = 0; at < bytes.length && !decoder.done; i++) {
    const piece = bytes.subarray(at, at + (sizes[i % sizes.length] ?? 1));
    at += decoder.decode(piece, 0, (view) => out.push(view));
  }
  return { body: Buffer.concat(out), consumed: at, views: out };
}

const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 5 });
const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 60 }), { maxLength: 10 });

describe('chunked', () => {
  test('any body, cut anywhere, comes out whole and ends where it ends', () => {
    fc.assert(
      fc.property(
        chunks,
        sizes,
        fc.constantFrom('', ';a', ';a=b', ';a="b;\\"\t"', ';a;b=c'),
        (parts, cuts, extension) => {
          const encoded = Buffer.concat([
            ...parts.flatMap((part) => [
              Buffer.from(`${part.length.toString(16)}${extension}\r\n`),
              Buffer.from(part),
              Buffer.from('\r\n'),
            ]),
            Buffer.from('0\r\nX-Trailer: dropped\r\n\r\n'),
          ]);
          const decoder = new ChunkedDecoder();
          const { body, consumed } = decode(decoder, Buffer.concat([encoded, Buffer.from('GET ')]), cuts);
          expect(decoder.done).toBe(true);
          expect(body).toEqual(Buffer.concat(parts));
          expect(consumed).toBe(encoded.length);
        },
      ),
    );
  });

  test('hands on views, not copies', () => {
    const bytes = Buffer.from('3\r\nabc\r\n0\r\n\r\n');
    const { views } = decode(new ChunkedDecoder(), bytes, [100]);
    bytes[3] = 'x'.charCodeAt(0);
    expect(views[0]?.toString()).toBe('xbc');
  });
});

describe('length', () => {
  test('stops at its last byte', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), sizes, (content, cuts) => {
        const decoder = new LengthDecoder(content.length);
        const { body, consumed } = decode(decoder, Buffer.concat([content, Buffer.from('GET ')]), cuts);
        expect(body).toEqual(Buffer.from(content));
        expect(consumed).toBe(content.length);
      }),
    );
  });
});
