// Inputs that are nearly right: good messages with bytes changed, lost, doubled and moved, and any text cut into pieces as
// a network might. One character stands for one byte.
import * as fc from 'fast-check';

/** What hand-written parsers stumble over. */
const SEEDS = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  ' ',
  '\t',
  '\0',
  '\u00ff',
  'x'.repeat(9_000),
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'l: 9\r\n',
  ...String.raw`: ; , = " < > \ { .. // %00 %2f %0d%0a SIP/2.0 HTTP/1.1`.split(' '),
  ...'0 -1 +1 4294967296 18446744073709551616 0x10 1e9'.split(' '),
];

type Change = readonly [
  kind: 'put' | 'drop' | 'double' | 'move' | 'flip',
  at: number,
  length: number,
  seed: string,
];

const change: fc.Arbitrary<Change> = fc.tuple(
  fc.constantFrom('put', 'put', 'drop', 'double', 'move', 'flip'),
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.integer({ min: 1, max: 40 }),
  fc.constantFrom(...SEEDS),
);

const changes: Record<Change[0], (before: string, piece: string, after: string, seed: string) => string> = {
  put: (before, piece, after, seed) => before + seed + piece + after,
  drop: (before, _piece, after) => before + after,
  double: (before, piece, after) => before + piece + piece + after,
  move: (before, piece, after) => piece + before + after,
  flip: (before, piece, after, seed) => before + flipped(piece, seed.length % 8) + after,
};

const flipped = (piece: string, bit: number): string =>
  String.fromCharCode((piece.charCodeAt(0) || 0) ^ (1 << bit)) + piece.slice(1);

function apply(text: string, [kind, where, length, seed]: Change): string {
  const at = Math.floor(where * text.length);
  return changes[kind](text.slice(0, at), text.slice(at, at + length), text.slice(at + length), seed);
}

/** One of these, with one to six changes. */
export function nearly(good: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...good), fc.array(change, { minLength: 1, maxLength: 6 }))
    .map(([text, list]) => list.reduce(apply, text));
}

/** Places to cut, as shares of the length: the same for texts of any length. */
export const cuts: fc.Arbitrary<readonly number[]> = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  maxLength: 12,
});

/** The text in pieces, none empty. */
export function cut(text: string, places: readonly number[]): string[] {
  const at = [...new Set(places.map((place) => Math.floor(place * text.length)))].toSorted((a, b) => a - b);
  const ends = [...at.filter((place) => place > 0 && place < text.length), text.length];
  return ends.map((end, index) => text.slice(ends[index - 1] ?? 0, end)).filter((piece) => piece !== '');
}

/** A turn of the event loop, so that the next piece arrives by itself. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
