// The first path segment of a request, read before anything goes inside (mra-wire §1.2): what is no lane gets 404 here.
// What goes on is the canonical spelling, so that core reads exactly what was read here.
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

/** Reads the lane of a canonical path. Throws HttpError 404. */
export function laneTarget(path: string, query: string | undefined): LaneTarget {
  const split = splitLanePath(path);
  if (split === undefined) throw notALane();
  const lane = readLane(split.segment);
  const suffix = query === undefined ? '' : `?${query}`;
  return { lane, rest: split.rest, target: `/${printLane(lane)}${split.rest}${suffix}` };
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
