// The seam along which bodies flow between connections: a source pushes into a sink, the sink says when it is full.
// No streams, no promises: two calls per piece, and back-pressure is a boolean.
import type { HttpError } from './http-error.ts';

/** Takes a body in pieces. */
export interface BodySink {
  /** Takes a piece; false means "stop until I call `onDrain`". Pieces sent nevertheless are taken too. */
  write(piece: Buffer): boolean;
  /** The body is complete. */
  end(): void;
  /** The body breaks off and will never be complete. */
  abort(reason: HttpError): void;
  /** Set by the source that is piped in; the sink calls it when it has room again. */
  onDrain: (() => void) | undefined;
}

/** A sink that forgets what it is given. */
export function nowhere(): BodySink {
  return { onDrain: undefined, write: () => true, end: () => undefined, abort: () => undefined };
}
