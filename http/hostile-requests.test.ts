import { describe, expect, test } from 'vitest';
import { HOSTILE_BODIES, HOSTILE_HEADS, type HostileRequest } from './test-hostile-requests.ts';
import { HttpError } from './http-error.ts';
import { MessageReader } from './message-reader.ts';
import { parseRequest, USUAL_METHODS } from './parse-request.ts';

const limits = {
  maxHeadBytes: 32_768,
  maxTargetBytes: 8192,
  maxHeaders: 100,
  maxHeaderNameBytes: 256,
  methods: USUAL_METHODS,
};

/** Reads the bytes in pieces of that size until one is refused; the number of whole requests read before. */
function readAll(raw: Buffer, pieceBytes: number): { refusal: unknown; requests: number } {
  let requests = 0;
  const reader = new MessageReader(limits, {
    onHead: (text) => parseRequest(text, limits).framing,
    onBody: () => undefined,
    onEnd: () => requests++,
  });
  try {
    for (let start = 0; start < raw.length; start += pieceBytes) {
      const piece = raw.subarray(start, start + pieceBytes);
      for (let offset = 0; offset < piece.length;) offset = reader.read(piece, offset);
    }
  } catch (refusal) {
    return { refusal, requests };
  }
  return { refusal: undefined, requests };
}

function expectRefused({ raw, status, reason }: HostileRequest): void {
  const bytes = Buffer.from(raw, 'latin1');
  for (const pieceBytes of [bytes.length, 1, 7]) {
    const { refusal, requests } = readAll(bytes, pieceBytes);
    expect(refusal).toBeInstanceOf(HttpError);
    expect(refusal).toMatchObject({ status, reason });
    expect(requests).toBe(0);
  }
}

const titled = (rows: readonly HostileRequest[]) => rows.map((row) => [row.name, row] as const);

describe('refused at the head, whole and in pieces', () => {
  test.each(titled(HOSTILE_HEADS))('%s', (_name, row) => expectRefused(row));
});

describe('refused in the body, whole and in pieces', () => {
  test.each(titled(HOSTILE_BODIES))('%s', (_name, row) => expectRefused(row));
});
