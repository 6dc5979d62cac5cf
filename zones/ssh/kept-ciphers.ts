// Compiled ciphers of SSH connections that have ended may not be found dead. COMPAT(Node 24.21, ssh2 1.17): when the
// collector destroys such an object at a moment without a context, which any collection by itself may be, Node ends the
// process (`RemoveEnvironmentCleanupHook … (env) != nullptr`). So they are kept, and given up together now and then in a
// collection of our own, which runs inside JavaScript and therefore has a context. Bounded: whoever opens and drops
// connections makes us collect, not grow.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { compiledCipherPrototypes, compiledPart } from './ssh2-internals.ts';

/** Kept before the older half is given up; each takes about 700 bytes, and giving up costs one full collection. */
const MAX_KEPT = 4096;

/** Objects not to be found dead by a collection that is not ours. */
export class KeptObjects {
  readonly #max: number;
  readonly #collect: () => void;
  /** Freed so long ago that nobody holds them any more. */
  #older: unknown[] = [];
  #newer: unknown[] = [];

  constructor(max: number, collect: () => void) {
    this.#max = max;
    this.#collect = collect;
  }

  get size(): number {
    return this.#older.length + this.#newer.length;
  }

  keep(object: unknown): void {
    this.#newer.push(object);
    if (this.#newer.length < this.#max / 2) return;
    const hadOlder = this.#older.length > 0;
    this.#older = this.#newer;
    this.#newer = [];
    if (hadOlder) this.#collect();
  }
}

const kept = new KeptObjects(MAX_KEPT, fullCollector());
let installed = false;

/** For all connections of this process; safe to call again. */
export function keepCompiledCiphers(): void {
  if (installed) return;
  installed = true;
  for (const prototype of compiledCipherPrototypes()) {
    const { free } = prototype;
    prototype.free = function keepThenFree(this: object): void {
      // Only the compiled part: round it hangs the whole connection.
      kept.keep(compiledPart(this));
      free.call(this);
    };
  }
}

/** Ciphers kept now. */
export function keptCiphers(): number {
  return kept.size;
}

/** V8's own full and synchronous collection; made when first needed. */
function fullCollector(): () => void {
  let collect: (() => void) | undefined;
  return () => {
    if (collect === undefined) {
      setFlagsFromString('--expose-gc');
      collect = runInNewContext('gc') as () => void;
      setFlagsFromString('--no-expose-gc');
    }
    collect();
  };
}
