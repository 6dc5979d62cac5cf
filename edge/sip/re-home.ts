// Which cores are away for good as far as their clients are concerned. Cores share no registrations: a client belongs to
// the core that took its REGISTER, and while that one is away nobody inside can reach it and it can call nobody. So its
// connection is ended, once another core of the zone could take it: a phone comes back and registers at once, where it
// would otherwise wait for its next refresh (T-068). No I/O; the caller closes.

/** What is known of a core that had a link. */
interface Away {
  readonly zoneId: number;
  readonly sinceMs: number;
}

export class ReHome {
  readonly #afterMs: number;
  readonly #away = new Map<string, Away>();

  /** `afterMs`: longer than a core takes to restart, as its registrations come back with it. */
  constructor(afterMs: number) {
    this.#afterMs = afterMs;
  }

  lost(core: { readonly name: string; readonly zoneId: number }, nowMs: number): void {
    this.#away.set(core.name, { zoneId: core.zoneId, sinceMs: nowMs });
  }

  back(core: string): void {
    this.#away.delete(core);
  }

  /** The cores whose clients are to go; `isUp` says whether a zone has any core. */
  due(nowMs: number, isUp: (zoneId: number) => boolean): readonly string[] {
    return [...this.#away]
      .filter(([, { zoneId, sinceMs }]) => nowMs - sinceMs >= this.#afterMs && isUp(zoneId))
      .map(([name]) => name);
  }
}
