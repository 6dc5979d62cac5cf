// Frames of the control channel between edge and core: a 4-byte length and that many bytes of JSON. Trusts nothing:
// a captured peer may send anything, so the length is judged before a byte of the body is kept, the text must be
// UTF-8, and the object must have exactly these members (T-145, T-147).
//
//   0       1       2       3       4 …
//   +-------+-------+-------+-------+----------------------------------+
//   |  length of the body, uint32 BE |  JSON, UTF-8, at most maxBytes   |
//   +-------+-------+-------+-------+----------------------------------+
import { z } from 'zod';

/** Version of the envelope; a peer that speaks another is told so in words and left alone. */
export const CONTROL_VERSION = 1;
/** Largest body. Control messages are a few hundred bytes; SDP with many candidates is the largest thing carried. */
export const MAX_FRAME_BYTES = 64 * 1024;
const LENGTH_BYTES = 4;

const TYPE = /^[a-z][a-z0-9]*(?:[.-][a-z0-9]+)*$/;
const head = { v: z.literal(CONTROL_VERSION), type: z.string().max(64).regex(TYPE), body: z.unknown() };
const id = z.int().min(1).max(0xffff_ffff);
const errorBody = z.strictObject({ code: z.string().max(32) });

const frameSchema = z.discriminatedUnion('kind', [
  z.strictObject({ ...head, kind: z.literal('request'), id }),
  z.strictObject({ ...head, kind: z.literal('reply'), id }),
  z.strictObject({ ...head, kind: z.literal('error'), id, body: errorBody }),
  z.strictObject({ ...head, kind: z.literal('notify'), id: z.literal(0) }),
]);

export type ControlFrame = z.infer<typeof frameSchema>;

export type FrameErrorCode = 'length' | 'utf8' | 'json' | 'shape' | 'too-large';

/** A frame that cannot be: after one, nothing more of the stream can be trusted. */
export class FrameError extends Error {
  readonly code: FrameErrorCode;
  constructor(code: FrameErrorCode, message: string) {
    super(message);
    this.name = 'FrameError';
    this.code = code;
  }
}

/** Prints one frame. Throws `FrameError` `too-large` if its body exceeds the limit, so that the peer never sees it. */
export function printFrame(frame: ControlFrame): Buffer {
  const text = JSON.stringify({ ...frame, body: frame.body ?? null });
  const length = Buffer.byteLength(text);
  if (length > MAX_FRAME_BYTES)
    throw new FrameError('too-large', `a control message of ${length} bytes exceeds ${MAX_FRAME_BYTES}`);
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + length);
  bytes.writeUInt32BE(length, 0);
  bytes.write(text, LENGTH_BYTES);
  return bytes;
}

/** Parses one body, without its length. Throws `FrameError` only. */
export function parseFrame(body: Buffer): ControlFrame {
  const parsed = frameSchema.safeParse(parseJson(body));
  if (!parsed.success) throw new FrameError('shape', 'a control frame has the wrong members');
  return parsed.data;
}

/** Cuts a byte stream into frames; holds at most one incomplete frame, in a buffer of exactly its length. */
export class FrameDecoder {
  #length = Buffer.alloc(LENGTH_BYTES);
  #body: Buffer | undefined;
  #filled = 0;

  /** Takes bytes, returns the frames they complete. Throws `FrameError`, after which the decoder must be dropped. */
  push(chunk: Buffer): ControlFrame[] {
    const frames: ControlFrame[] = [];
    let at = 0;
    while (at < chunk.length) {
      const target: Buffer = this.#body ?? this.#length;
      const copied = chunk.copy(target, this.#filled, at);
      at += copied;
      this.#filled += copied;
      if (this.#filled < target.length) break;
      this.#filled = 0;
      if (this.#body) {
        frames.push(parseFrame(this.#body));
        this.#body = undefined;
      } else this.#body = Buffer.allocUnsafe(checkLength(this.#length.readUInt32BE(0)));
    }
    return frames;
  }
}

function checkLength(length: number): number {
  if (length < 2 || length > MAX_FRAME_BYTES)
    throw new FrameError(
      'length',
      `a control frame claims ${length} bytes; 2 to ${MAX_FRAME_BYTES} are allowed`,
    );
  return length;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function parseJson(body: Buffer): unknown {
  let text: string;
  try {
    text = utf8.decode(body);
  } catch {
    throw new FrameError('utf8', 'a control frame is not UTF-8');
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new FrameError('json', 'a control frame is not JSON');
  }
}
