// What the loader knows while it reads one file: references and paths in it are relative to its folder.
import path from 'node:path';
import { z } from 'zod';

/** What the loader knows while it reads one file: references are relative to it. */
export interface ReadingContext {
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

let current: ReadingContext | undefined;

/** Runs `work` with references resolved against `context`. Synchronous by design: zod parses synchronously. */
export function withReadingContext<T>(context: ReadingContext, work: () => T): T {
  const outer = current;
  current = context;
  try {
    return work();
  } finally {
    current = outer;
  }
}

/** The context of the file being read; undefined outside the loader. */
export function readingContext(): ReadingContext | undefined {
  return current;
}

/** A path, made absolute from the folder of the file that it stands in. */
export function filePath(allowed: string) {
  return z
    .string()
    .min(1)
    .transform((text) => path.resolve(current?.folder ?? '.', text))
    .meta({ allowed });
}
