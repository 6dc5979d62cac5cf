// What edge and core say to each other about one client session, on its HTTP/2 stream.
//
//   0        1               5
//   +--------+---------------+----------------
//   |  type  | length, 32 bit| payload, UTF-8
//   +--------+---------------+----------------
//
// Trusts nothing about lengths: a frame over the limit is refused before its payload is kept.

export const FRAME = {
  /** Edge → core: the client opened a stream; payload is the header, printed anew. */
  open: 1,
  /** Edge → core: elements of the client's stream. */
  elements: 2,
  /** Edge → core: the client ended its stream as it should. */
  close: 3,
  /** Edge → core: the client is gone, or was put out by edge. */
  lost: 4,
  /** Core → edge: write this to the client. */
  write: 5,
  /** Core → edge: write this; the client has signed in and its stream begins anew. */
  signedIn: 6,
  /** Core → edge: write this, then close the connection. */
  end: 7,
} as const;

export type FrameType = keyof typeof FRAME;

export interface Frame {
  readonly type: FrameType;
  readonly payload: Buffer;
}

/** The peer sent what is no frame. */
export class FrameError extends Error {
  constructor(text: string) {
    super(text);
    this.name = 'FrameError';
  }
}

const HEAD_BYTES = 5;
const TYPES = new Map<number, FrameType>(
  Object.entries(FRAME).map(([name, value]) => [value, name as FrameType]),
);

export function printFrame(type: FrameType, payload: string | readonly Buffer[]): Buffer {
  const parts = typeof payload === 'string' ? [Buffer.from(payload)] : payload;
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const frame = Buffer.allocUnsafe(HEAD_BYTES + length);
  frame.writeUInt8(FRAME[type], 0);
  frame.writeUInt32BE(length, 1);
  let at = HEAD_BYTES;
  for (const part of parts) at += part.copy(frame, at);
  return frame;
}

/** Cuts what arrives into frames. Holds at most one frame, in the chunks it came in. */
export class FrameReader {
  readonly #maxPayloadBytes: number;
  #held: Buffer[] = [];
  #heldBytes = 0;
  #wanted = HEAD_BYTES;

  constructor(maxPayloadBytes: number) {
    this.#maxPayloadBytes = maxPayloadBytes;
  }

  /** The frames that are complete with this chunk. @throws FrameError; the stream is of no use after that. */
  read(chunk: Buffer): Frame[] {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
    if (this.#heldBytes < this.#wanted) return [];
    let rest = this.#held.length === 1 ? chunk : Buffer.concat(this.#held, this.#heldBytes);
    const frames: Frame[] = [];
    for (;;) {
      this.#wanted = rest.length < HEAD_BYTES ? HEAD_BYTES : HEAD_BYTES + this.#lengthOf(rest);
      if (rest.length < this.#wanted) break;
      frames.push({ type: typeOf(rest), payload: rest.subarray(HEAD_BYTES, this.#wanted) });
      rest = rest.subarray(this.#wanted);
    }
    this.#held = rest.length === 0 ? [] : [rest];
    this.#heldBytes = rest.length;
    return frames;
  }

  #lengthOf(head: Buffer): number {
    const length = head.readUInt32BE(1);
    if (length > this.#maxPayloadBytes) throw new FrameError(`a frame of ${length} bytes is too long`);
    return length;
  }
}

function typeOf(head: Buffer): FrameType {
  const type = TYPES.get(head.readUInt8(0));
  if (type === undefined) throw new FrameError('a frame of an unknown type');
  return type;
}
