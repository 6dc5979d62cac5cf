// The last decisions of a process by tracking id, so that a refusal can be explained after the fact. Taken from the log lines
// that are written anyway, told field by field from a closed list: nothing that is not logged is kept, and no query, password
// or token ever told. Bounded in decisions, lines of each and characters of each field; the oldest goes first.
import type { Log } from './log.ts';

/** One line of a request's history: words and numbers only. */
export type Decision = Readonly<Record<string, string | number>>;

export interface Decisions {
  /** The same log; lines with a tracking id are remembered too. */
  tee(log: Log): Log;
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
/** What a client writes, or what is said of it. */
const LONG = ['request', 'path', 'detail', 'query', 'clientTrackingId', 'claimedUser'] as const;
const MAX_LINES = 4;
const MAX_LENGTH = 300;

interface Line {
  readonly trackingId: string;
  readonly at: number;
  readonly fields: object;
}

/** Remembers the last `maxLines` lines with a tracking id: one or two for each request. */
export function createDecisions(maxLines: number, now: () => number): Decisions {
  // Every request is remembered and hardly one is asked for: what can wait until then does.
  const ring: (Line | undefined)[] = Array.from({ length: maxLines }, () => undefined);
  let next = 0;
  const remember = (fields: object): void => {
    const trackingId = Reflect.get(fields, 'trackingId') as unknown;
    if (typeof trackingId !== 'string') return;
    ring[next] = { trackingId, at: now(), fields: isSmall(fields) ? fields : readDecision(fields) };
    next = (next + 1) % maxLines;
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
      [...ring.slice(next), ...ring.slice(0, next)]
        .filter((line) => line?.trackingId === trackingId)
        .slice(-MAX_LINES)
        .flatMap((line) => line ?? [])
        .map(({ at, fields }) => ({ time: new Date(at).toISOString(), ...readDecision(fields) })),
  };
}

/** Whether the fields may be kept as they are: those a client can make long are not. */
function isSmall(fields: object): boolean {
  for (const name of LONG) {
    const value = Reflect.get(fields, name) as unknown;
    if (typeof value === 'string' && value.length > MAX_LENGTH) return false;
  }
  return true;
}

function readDecision(fields: object): Decision {
  const entries: [string, string | number][] = [];
  for (const name of FIELDS) {
    const value = Reflect.get(fields, name) as unknown;
    if (typeof value === 'number') entries.push([name, value]);
    if (typeof value === 'string') entries.push([name, shortened(value)]);
  }
  return Object.fromEntries(entries);
}

/** A copy of the beginning: a slice would hold on to the whole. */
function shortened(text: string): string {
  return text.length <= MAX_LENGTH ? text : Buffer.from(text.slice(0, MAX_LENGTH), 'utf8').toString('utf8');
}
