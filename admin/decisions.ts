// The last decisions of a process by tracking id, so that a refusal can be explained after the fact. Taken from the log lines
// that are written anyway, told field by field from a closed list: nothing that is not logged is kept, and no query, password
// or token ever told. Kept as text in one piece of memory outside the heap: thousands of young objects that all live on
// would cost the collector more than the requests. Bounded in bytes, lines told and characters of each field.
import type { Log } from './log.ts';

/** One line of a request's history: words and numbers only. */
export type Decision = Readonly<Record<string, string | number>>;

export interface Decisions {
  /** The same log; lines with a tracking id are remembered too. */
  tee(log: Log): Log;
  /** The newest lines of one request, oldest first. */
  find(trackingId: string): readonly Decision[];
}

const FIELDS = [
  'event',
  'client',
  'peer',
  'core',
  'method',
  'request',
  'path',
  'domain',
  'deployment',
  'user',
  'claimedUser',
  'reason',
  'detail',
  'rule',
  'match',
  'type',
  'status',
  'ms',
  'bytesIn',
  'bytesOut',
] as const;
const MAX_LINES = 4;
const MAX_LENGTH = 300;
const LINE_END = 0x0a;

/** Remembers lines in `maxBytes`; a request takes about 500. */
export function createDecisions(maxBytes: number, now: () => number): Decisions {
  const ring = Buffer.alloc(maxBytes);
  let end = 0;
  const remember = (fields: object): void => {
    if (typeof Reflect.get(fields, 'trackingId') !== 'string') return;
    // JSON has no line end inside.
    const text = `${JSON.stringify({ ...fields, at: now() })}\n`;
    const bytes = Buffer.byteLength(text);
    if (bytes > maxBytes / 8) return;
    if (end + bytes >= maxBytes) {
      ring.fill(LINE_END, end);
      end = 0;
    }
    end += ring.write(text, end);
    ring[end] = LINE_END; // what is left of the line that was here
  };
  const level =
    (log: Log, name: keyof Log) =>
    (fields: object, text: string): void => {
      if (name !== 'debug') remember(fields);
      log[name](fields, text);
    };
  return {
    tee: (log) => ({
      debug: level(log, 'debug'),
      info: level(log, 'info'),
      warn: level(log, 'warn'),
      error: level(log, 'error'),
    }),
    find: (trackingId) =>
      linesWith(ring, trackingId)
        .toSorted((a, b) => a.at - b.at)
        .slice(-MAX_LINES)
        .map(({ at, fields }) => ({ time: new Date(at).toISOString(), ...readDecision(fields) })),
  };
}

/** Every whole line of that request. */
function linesWith(ring: Buffer, trackingId: string): { at: number; fields: object }[] {
  const needle = `"trackingId":${JSON.stringify(trackingId)}`;
  const found: { at: number; fields: object }[] = [];
  for (let hit = ring.indexOf(needle); hit !== -1; hit = ring.indexOf(needle, hit + needle.length)) {
    const from = ring.lastIndexOf(LINE_END, hit) + 1;
    const to = ring.indexOf(LINE_END, hit);
    const line = parse(ring.toString('utf8', from, to === -1 ? ring.length : to));
    if (line?.trackingId === trackingId) found.push({ at: line.at, fields: line });
  }
  return found;
}

/** A line, or undefined for what an overwritten one has left. */
function parse(text: string): { readonly trackingId: string; readonly at: number } | undefined {
  try {
    const line: unknown = JSON.parse(text);
    if (typeof line !== 'object' || line === null) return undefined;
    const { trackingId, at } = line as { trackingId?: unknown; at?: unknown };
    return typeof trackingId === 'string' && typeof at === 'number' ? { ...line, trackingId, at } : undefined;
  } catch {
    return undefined;
  }
}

function readDecision(fields: object): Decision {
  const entries: [string, string | number][] = [];
  for (const name of FIELDS) {
    const value = Reflect.get(fields, name) as unknown;
    if (typeof value === 'number') entries.push([name, value]);
    if (typeof value === 'string') entries.push([name, value.slice(0, MAX_LENGTH)]);
  }
  return Object.fromEntries(entries);
}
