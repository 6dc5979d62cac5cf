// Which shard each flow is of, and which keys and captures it uses: these are of the shard of the first flow that uses
// them until no flow does. One thread does the work of all shards here; the rule is kept so that what works on this
// engine works on the native one. Bounded by the flows.
import { EngineError, type FlowChange, type FlowId } from '../engine.ts';

/** Keys and capture of a flow; a part that is undefined is not spoken of. */
interface Uses {
  readonly opens: readonly number[] | undefined;
  readonly seals: readonly number[] | undefined;
  readonly capture: readonly number[] | undefined;
}

export class Homes {
  readonly #flows = new Map<FlowId, { readonly shard: number; uses: Uses }>();
  /** Keys and captures in use: where, and by how many flows. */
  readonly #used = new Map<number, { readonly shard: number; flows: number }>();

  of(flow: FlowId): number {
    return this.#flows.get(flow)?.shard ?? 0;
  }

  set(flow: FlowId, shard: number, uses: Uses): void {
    this.#flows.set(flow, { shard, uses });
    this.#take(uses, shard);
  }

  change(flow: FlowId, { opens, seals, capture }: Uses): void {
    const entry = this.#flows.get(flow);
    if (entry === undefined) return;
    const former = entry.uses;
    entry.uses = {
      opens: opens ?? former.opens,
      seals: seals ?? former.seals,
      capture: capture ?? former.capture,
    };
    this.#take(entry.uses, entry.shard);
    this.#leave(former);
  }

  delete(flow: FlowId): void {
    const entry = this.#flows.get(flow);
    if (entry !== undefined) this.#leave(entry.uses);
    this.#flows.delete(flow);
  }

  /** Throws EngineError `wrong-shard` when a flow of another shard uses this key or capture. */
  check(id: number, shard: number): void {
    const used = this.#used.get(id);
    if (used !== undefined && used.shard !== shard) throw foreign();
  }

  #take(uses: Uses, shard: number): void {
    for (const id of all(uses)) {
      const used = this.#used.get(id);
      if (used === undefined) this.#used.set(id, { shard, flows: 1 });
      else used.flows += 1;
    }
  }

  #leave(uses: Uses): void {
    for (const id of all(uses)) {
      const used = this.#used.get(id);
      if (used !== undefined) used.flows -= 1;
      if (used?.flows === 0) this.#used.delete(id);
    }
  }
}

function all({ opens = [], seals = [], capture = [] }: Uses): readonly number[] {
  return [...opens, ...seals, ...capture];
}

/** What a flow, or a change of it, says that it uses. */
export function usesOf(change: FlowChange): Uses {
  const one = (name: 'protect' | 'capture', id: number | undefined): readonly number[] | undefined => {
    if (!(name in change)) return undefined;
    return id === undefined ? [] : [id];
  };
  return {
    opens: change.unprotect,
    seals: one('protect', change.protect),
    capture: one('capture', change.capture?.id),
  };
}

export function foreign(): EngineError {
  return new EngineError('wrong-shard', "a flow's ports, links, keys and capture are of one shard");
}
