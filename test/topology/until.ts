// Waiting on a condition of a program that offers no event for it: asked often, bounded by a deadline, and the
// failure says what was waited for.
import { setTimeout as pause } from 'node:timers/promises';

export interface UntilOptions {
  readonly deadlineMs?: number;
  readonly everyMs?: number;
  /** Added to the message when the deadline passes. */
  readonly detail?: () => string;
}

/** Resolves once `condition` holds; rejects when the deadline passes or the condition throws. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  options: UntilOptions = {},
): Promise<void> {
  const deadline = performance.now() + (options.deadlineMs ?? 10_000);
  while (!(await condition())) {
    if (performance.now() > deadline) {
      const detail = options.detail?.();
      throw new Error(`waited in vain: ${what}${detail === undefined ? '' : `\n${detail}`}`);
    }
    await pause(options.everyMs ?? 20);
  }
}
