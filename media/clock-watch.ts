// Notices that somebody has set the machine's time of day: it and the steady clock have gone different distances.
// Nothing in media depends on it; whoever reads why tokens or certificates stopped working wants to know.

/** Less than this is how clocks are adjusted, and how long a busy machine takes between two readings. */
const STEP_MS = 1000;

export class ClockWatch {
  readonly #steady: () => number;
  readonly #timeOfDay: () => number;
  #apart: number;

  constructor(steady: () => number, timeOfDay: () => number) {
    this.#steady = steady;
    this.#timeOfDay = timeOfDay;
    this.#apart = timeOfDay() - steady();
  }

  /** By how much the time of day was set since the last look; undefined when it was not. */
  step(): number | undefined {
    const apart = this.#timeOfDay() - this.#steady();
    const byMs = Math.round(apart - this.#apart);
    this.#apart = apart;
    return Math.abs(byMs) < STEP_MS ? undefined : byMs;
  }
}
