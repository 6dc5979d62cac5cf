// Secrets enter the configuration by reference only: `file:PATH` or `env:NAME`. The loaded value hides itself from
// logs, JSON and string conversion; only `reveal` gives it, so that each use can be found by reading.
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { inspect } from 'node:util';
import { z } from 'zod';
import { readingContext } from './reading-context.ts';
import type { ReadingContext } from './reading-context.ts';

/** A value that must not be printed. */
export class Secret {
  readonly #value: string;
  /** The reference it came from, safe to print. */
  readonly source: string;

  constructor(value: string, source: string) {
    this.#value = value;
    this.source = source;
  }

  /** The secret itself. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return `[secret from ${this.source}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

const MAX_SECRET_BYTES = 256 * 1024;

/** The value a reference stands for. @throws Error in words for the operator. */
export function readReference(reference: string, context: ReadingContext): string {
  const [kind, rest] = [
    reference.slice(0, reference.indexOf(':')),
    reference.slice(reference.indexOf(':') + 1),
  ];
  if (kind === 'env') {
    const value = context.env[rest];
    if (value === undefined || value === '') throw new Error(`the environment has no ${rest}`);
    return value;
  }
  const file = path.resolve(context.folder, rest);
  try {
    const text = readFileSync(file, 'utf8');
    if (text.length > MAX_SECRET_BYTES) throw new Error('it is larger than 256 KiB');
    return text;
  } catch (cause) {
    throw new Error(
      `${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? (cause as Error).message}`,
      {
        cause,
      },
    );
  }
}

/** A reference `file:PATH` (relative to the file it stands in) or `env:NAME`, loaded at once. */
export function secret() {
  const allowed = 'a reference, file:PATH or env:NAME; the value itself never stands in the configuration';
  return z
    .string()
    .transform((reference, context) => {
      const fail = (message: string): never => {
        context.issues.push({ code: 'custom', message, input: reference });
        return z.NEVER;
      };
      if (!/^(file|env):./.test(reference)) return fail(`is not a reference`);
      const reading = readingContext();
      if (reading === undefined) return fail('cannot be resolved outside the loader');
      try {
        return new Secret(readReference(reference, reading), reference);
      } catch (error) {
        return fail((error as Error).message);
      }
    })
    .meta({ allowed });
}
