// The process's log: JSON lines by pino, with one more lock on secrets. Components take the small interface they need.
import { pino } from 'pino';

/** Structured log of one component. */
export interface Log {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** Fields that never reach the output, whoever passes them. Lines are flat, so the top level is where a slip would be. */
const CENSORED = new Set([
  'authorization',
  'proxyauthorization',
  'cookie',
  'setcookie',
  'password',
  'secret',
  'token',
  'key',
  'nonce',
  'pem',
]);

/** pino's own redaction costs 30 µs a line; a look at each top-level key costs under one. */
function censor(fields: Record<string, unknown>): Record<string, unknown> {
  for (const name in fields) {
    if (CENSORED.has(name.toLowerCase())) return withoutSecrets(fields);
  }
  return fields;
}

function withoutSecrets(fields: Record<string, unknown>): Record<string, unknown> {
  const conceal = ([name, value]: [string, unknown]): [string, unknown] => [
    name,
    CENSORED.has(name.toLowerCase()) ? '[concealed]' : value,
  ];
  return Object.fromEntries(Object.entries(fields).map(conceal));
}

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Name of this process among its peers, in every line. */
  readonly self: string;
  readonly role: 'edge' | 'core';
}

/** Where lines go; standard output by default. */
export interface LogOutput {
  write(line: string): unknown;
  flush?(): unknown;
  flushSync?(): unknown;
  dropped?(): number;
}

/** A busy process writes one line per request: in small batches the system calls cost more than the lines. */
const BATCH_LENGTH = 64 * 1024;
const FLUSH_MS = 250;
/** Lines held while whoever reads the log does not, or its disk is full; what comes beyond is dropped and counted. */
const MAX_HELD_BYTES = 16 * 1024 * 1024;

/** Standard output, or another descriptor: bounded, written in batches, never waited for. */
export function openOutput(fd = 1, maxHeldBytes: number = MAX_HELD_BYTES): LogOutput {
  const output = pino.destination({ fd, sync: false, minLength: 0, maxLength: maxHeldBytes });
  const handLength = Math.min(BATCH_LENGTH, maxHeldBytes / 4);
  let batch: string[] = [];
  let batchLength = 0;
  let dropped = 0;
  output.on('drop', () => (dropped += batch.length));
  output.on('error', () => undefined); // a full disk must not end the process; the lines stay held, then drop
  // sonic-boom measures all it holds anew at each write: it gets few and large ones
  const hand = (): void => {
    if (batch.length > 0) output.write(batch.join(''));
    batch = [];
    batchLength = 0;
  };
  const write = (line: string): void => {
    batch.push(line);
    batchLength += line.length;
    if (batchLength >= handLength) hand();
  };
  const flushSync = (): void => {
    hand();
    output.flushSync();
  };
  return { write, flush: hand, flushSync, dropped: () => dropped };
}

/** Opens the log. Lines are written in batches; `flush` before exit; `dropped` counts those that found no room. */
export function openLog(
  options: LogOptions,
  output: LogOutput = openOutput(),
): { log: (component: string) => Log; flush: () => void; dropped: () => number } {
  setInterval(() => output.flush?.(), FLUSH_MS).unref();
  const root = pino(
    {
      level: options.level,
      base: { role: options.role, self: options.self },
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'text',
      formatters: { level: (label) => ({ level: label }), log: censor },
    },
    output,
  );
  return {
    log: (component) => root.child({ component }),
    dropped: () => output.dropped?.() ?? 0,
    flush: () => {
      try {
        output.flushSync?.();
      } catch {
        // Standard output is gone or not ready: there is nobody left to tell.
      }
    },
  };
}
