// One session on edge: the streams of one call, owned by the core that opened the first of them.
// Bounded by `maxStreamsPerSession`. Keeps the one address that SRTP has proven, for the opaque streams beside it.
import type { EdgeStream } from './edge-stream.ts';

export class EdgeSession {
  readonly id: string;
  readonly core: string;
  readonly streams = new Map<number, EdgeStream>();
  /** Streams whose ports are being bound, so that a close in between is noticed. */
  readonly opening = new Set<number>();
  #provenAddress: string | undefined;
  closed = false;

  constructor(id: string, core: string) {
    this.id = id;
    this.core = core;
  }

  add(stream: EdgeStream): void {
    this.streams.set(stream.request.stream, stream);
    if (this.#provenAddress !== undefined) stream.follow(this.#provenAddress);
  }

  /** An SRTP stream of this session was latched to this address. */
  proven(address: string): void {
    this.#provenAddress = address;
    for (const stream of this.streams.values()) stream.follow(address);
  }

  get empty(): boolean {
    return this.streams.size === 0 && this.opening.size === 0;
  }
}
