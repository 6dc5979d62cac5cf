// How many sessions each user has. Memory: one entry per user that has one.

export class UserSessions {
  readonly #max: number;
  readonly #open = new Map<string, number>();

  constructor(maxPerUser: number) {
    this.#max = maxPerUser;
  }

  get users(): number {
    return this.#open.size;
  }

  /** Takes a place; what it returns gives it back, once. Undefined: this user has all that one may have. */
  enter(user: string): (() => void) | undefined {
    const held = this.#open.get(user) ?? 0;
    if (held >= this.#max) return undefined;
    this.#open.set(user, held + 1);
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#leave(user);
    };
  }

  #leave(user: string): void {
    const held = this.#open.get(user) ?? 0;
    if (held > 1) this.#open.set(user, held - 1);
    else this.#open.delete(user);
  }
}
