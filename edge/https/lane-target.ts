// The first path segment of a request, read before anything goes inside (mra-wire §1.2): what is no lane gets 404 here.
// What goes on is the canonical spelling, so that core reads exactly what was read here.
// Memory: the last `MAX_REMEMBERED` good lanes, each shorter than a kilobyte; a client uses two or three all day.
import { HttpError } from '../../http/index.ts';
import { type Lane, LaneError, parseLane, printLane, splitLanePath } from '../../zones/lane.ts';

/** A lane and the target as it is sent on. */
export interface LaneTarget {
  readonly lane: Lane;
  /** Canonical, with the lane's segment in front and the query behind. */
  readonly target: string;
  /** The path behind the lane, for the log. */
  readonly rest: string;
}

interface ReadLane {
  readonly lane: Lane;
  readonly segment: string;
}

const MAX_REMEMBERED = 1024;

/** Reads lanes and remembers the good ones. */
export class LaneReader {
  readonly #remembered = new Map<string, ReadLane>();

  /** Reads the lane of a canonical path. Throws HttpError 404. */
  read(path: string, query: string | undefined): LaneTarget {
    const split = splitLanePath(path);
    if (split === undefined) throw notALane();
    const { lane, segment } = this.#remembered.get(split.segment) ?? this.#learn(split.segment);
    const suffix = query === undefined ? '' : `?${query}`;
    return { lane, rest: split.rest, target: `/${segment}${split.rest}${suffix}` };
  }

  get size(): number {
    return this.#remembered.size;
  }

  #learn(segment: string): ReadLane {
    const lane = readLane(segment);
    const read = { lane, segment: printLane(lane) };
    if (this.#remembered.size >= MAX_REMEMBERED) this.#remembered.clear();
    this.#remembered.set(segment, read);
    return read;
  }
}

/** Some clients encode the padding, which the canonical form of a path must leave as it is. */
function readLane(segment: string): Lane {
  try {
    return parseLane(segment.replaceAll('%3D', '='));
  } catch (error) {
    if (error instanceof LaneError) throw notALane(error);
    throw error;
  }
}

function notALane(cause?: LaneError): HttpError {
  return new HttpError(404, 'lane', 'first path segment is no lane', cause === undefined ? {} : { cause });
}
