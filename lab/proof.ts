// The proof: numbered steps, each with its time and a mark, in words that a newcomer understands. A step that
// fails does not stop the ones after it; a step that needs something an earlier one did not bring says so.

export interface ProofStep {
  readonly title: string;
  /** Returns what was seen, as a short remark, or nothing. Throws what went wrong. */
  readonly run: () => Promise<string | undefined> | string | undefined;
}

export interface ProofResult {
  readonly passed: number;
  readonly failed: number;
}

export interface ProofOptions {
  /** Longest time of one step. */
  readonly stepTimeoutMs: number;
  readonly now: () => number;
  readonly write: (line: string) => void;
  /** Asked before each step and line: true ends the proof where it is. */
  readonly isStopped?: () => boolean;
}

/** Runs the steps in order and writes one line for each. */
export async function runProof(steps: readonly ProofStep[], options: ProofOptions): Promise<ProofResult> {
  const isStopped = options.isStopped ?? (() => false);
  let passed = 0;
  for (const [index, step] of steps.entries()) {
    if (isStopped()) break;
    const startedAt = options.now();
    const problem = await attempt(step, options.stepTimeoutMs);
    if (isStopped()) break;
    if (problem.ok) passed += 1;
    const took = `${Math.round(options.now() - startedAt)} ms`;
    const mark = problem.ok ? '✓' : '✗';
    const remark = problem.text === '' ? '' : `${problem.ok ? ' · ' : ': '}${problem.text}`;
    options.write(`  ${String(index + 1).padStart(2)} ${mark} ${took.padStart(8)}  ${step.title}${remark}`);
  }
  return { passed, failed: steps.length - passed };
}

async function attempt(step: ProofStep, timeoutMs: number): Promise<{ ok: boolean; text: string }> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came within ${timeoutMs / 1000} s`)), timeoutMs);
  });
  try {
    const run = Promise.resolve().then(() => step.run());
    return { ok: true, text: (await Promise.race([run, deadline])) ?? '' };
  } catch (error) {
    return { ok: false, text: describe(error) };
  } finally {
    clearTimeout(timer);
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return `${error.message}${cause}`;
}

/** Fails a step unless the condition holds. */
export function expectThat(condition: boolean, otherwise: string): asserts condition {
  if (!condition) throw new Error(otherwise);
}

/** What an earlier step was to bring; throws when it did not. */
export function broughtBy<T>(need: string, value: T | undefined): T {
  if (value === undefined) throw new Error(`not tried, it needs ${need}`);
  return value;
}
