// The last decisions of a process by tracking id, so that a refusal can be explained after the fact. Taken from the log lines
// that are written anyway, field by field from a closed list: nothing that is not logged is kept, and no query, password
// or token ever is. Bounded in decisions, lines of each and characters of each field; the oldest goes first.
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
const MAX_LINES = 4;
const MAX_LENGTH = 300;

/** Remembers the last `maxDecisions` requests. */
export function createDecisions(maxDecisions: number, now: () => number): Decisions {
  const known = new Map<string, Decision[]>();
  const remember = (fields: object): void => {
    const trackingId = Reflect.get(fields, 'trackingId') as unknown;
    if (typeof trackingId !== 'string') return;
    const lines = known.get(trackingId) ?? [];
    if (lines.length >= MAX_LINES) return;
    lines.push(readDecision(fields, now()));
    known.set(trackingId, lines);
    if (known.size <= maxDecisions) return;
    const oldest = known.keys().next().value;
    if (oldest !== undefined) known.delete(oldest);
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
    find: (trackingId) => known.get(trackingId) ?? [],
  };
}

function readDecision(fields: object, now: number): Decision {
  const entries: [string, string | number][] = [['time', new Date(now).toISOString()]];
  for (const name of FIELDS) {
    const value = Reflect.get(fields, name) as unknown;
    if (typeof value === 'number') entries.push([name, value]);
    if (typeof value === 'string') entries.push([name, value.slice(0, MAX_LENGTH)]);
  }
  return Object.fromEntries(entries);
}
