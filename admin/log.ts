// The process's log: JSON lines by pino, with one more lock on secrets. Components take the small interface they need.
import { pino } from 'pino';

/** Structured log of one component. */
export interface Log {
  debug(fields: object, text: string): void;
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

/** Fields that never reach the output, whoever passes them, at the first three depths. */
const CENSORED = [
  'authorization',
  'proxyAuthorization',
  'cookie',
  'setCookie',
  'password',
  'secret',
  'token',
  'key',
  'nonce',
];

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Name of the process's peer, in every line. */
  readonly peer: string;
  readonly role: 'edge' | 'core';
}

/** Opens the log on standard output. Lines are written asynchronously; `flush` before exit. */
export function openLog(options: LogOptions): { log(component: string): Log; flush(): void } {
  const destination = pino.destination({ fd: 1, sync: false, minLength: 4096 });
  const timer = setInterval(() => destination.flush(), 250);
  timer.unref();
  const root = pino(
    {
      level: options.level,
      base: { role: options.role, peer: options.peer },
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'text',
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: CENSORED.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]),
        censor: '[concealed]',
      },
    },
    destination,
  );
  return {
    log: (component) => root.child({ component }),
    flush: () => {
      try {
        destination.flushSync();
      } catch {
        // Standard output is gone or not ready: there is nobody left to tell.
      }
    },
  };
}
