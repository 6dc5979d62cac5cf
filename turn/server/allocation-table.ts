// All allocations by 5-tuple and by number, with the quotas of users, deployments and the server (T-010).
// Memory: at most `maxAllocations` entries, and a count for each user and deployment that holds one.
import type { Allocation } from './allocation.ts';
import type { Owner } from './credentials.ts';
import type { RefusalReason } from './turn-answer.ts';
import type { AllocationId, ClientPath, TurnEvent } from './turn-input.ts';

export interface AllocationLimits {
  readonly maxAllocations: number;
  readonly maxAllocationsPerUser: number;
  readonly maxAllocationsPerDeployment: number;
}

type UsageLevel = 'normal' | 'high' | 'full';
/** Share of the limit at which the operator is warned, and below which the warning ends. */
const HIGH = 0.8;
const HIGH_ENDS = 0.75;
const FULL_ENDS = 0.95;

export class AllocationTable {
  readonly #limits: AllocationLimits;
  readonly #byPath = new Map<string, Allocation>();
  readonly #byId = new Map<AllocationId, Allocation>();
  readonly #perUser = new Map<string, number>();
  readonly #perDeployment = new Map<string, number>();
  #level: UsageLevel = 'normal';
  #lastId = 0;

  constructor(limits: AllocationLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Allocations held by one user. */
  heldBy(owner: Owner): number {
    return this.#perUser.get(userKey(owner)) ?? 0;
  }

  nextId(): AllocationId {
    this.#lastId += 1;
    return this.#lastId;
  }

  at(path: ClientPath): Allocation | undefined {
    return this.#byPath.get(path.key);
  }

  get(id: AllocationId): Allocation | undefined {
    return this.#byId.get(id);
  }

  values(): IterableIterator<Allocation> {
    return this.#byId.values();
  }

  /** Why this owner may not have another one now. */
  refusal(
    owner: Owner,
  ): Extract<RefusalReason, 'user-quota' | 'deployment-quota' | 'allocation-limit'> | undefined {
    const inDeployment = this.#perDeployment.get(owner.deployment) ?? 0;
    if (this.heldBy(owner) >= this.#limits.maxAllocationsPerUser) return 'user-quota';
    if (inDeployment >= this.#limits.maxAllocationsPerDeployment) return 'deployment-quota';
    return this.size >= this.#limits.maxAllocations ? 'allocation-limit' : undefined;
  }

  add(allocation: Allocation): void {
    this.#byId.set(allocation.id, allocation);
    this.#byPath.set(allocation.path.key, allocation);
    this.#adjust(allocation.credential.owner, 1);
  }

  /** Gives an allocation another 5-tuple. */
  move(allocation: Allocation, path: ClientPath): void {
    this.#byPath.delete(allocation.path.key);
    allocation.path = path;
    this.#byPath.set(path.key, allocation);
  }

  remove(allocation: Allocation): void {
    if (!this.#byId.delete(allocation.id)) return;
    this.#byPath.delete(allocation.path.key);
    this.#adjust(allocation.credential.owner, -1);
  }

  /** The change of the usage level since the last call, once for each change. */
  usageEvent(): TurnEvent | undefined {
    const level = this.#nextLevel(this.size / this.#limits.maxAllocations);
    if (level === this.#level) return undefined;
    this.#level = level;
    return { kind: 'usage', level, allocations: this.size, most: this.#limits.maxAllocations };
  }

  #nextLevel(share: number): UsageLevel {
    if (share >= 1 || (this.#level === 'full' && share >= FULL_ENDS)) return 'full';
    if (share >= HIGH || (this.#level !== 'normal' && share >= HIGH_ENDS)) return 'high';
    return 'normal';
  }

  #adjust(owner: Owner, by: number): void {
    change(this.#perUser, userKey(owner), by);
    change(this.#perDeployment, owner.deployment, by);
  }
}

function userKey({ deployment, user }: Owner): string {
  return `${deployment}\n${user}`;
}

function change(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}
