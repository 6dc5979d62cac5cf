// Keeps the compiled ciphers of SSH connections that have ended. COMPAT(Node 24.21, ssh2 1.17): when the collector destroys
// such an object at a moment without a context, which it may at any idle collection, Node ends the process
// (`RemoveEnvironmentCleanupHook … (env) != nullptr`, seen in core). So none is ever found dead. Upside: no abort. Downside:
// some hundred bytes per direction for each connection and each change of keys, 4 MB after a year of hourly changes.
import { compiledCipherPrototypes, compiledPart } from './ssh2-internals.ts';

const kept: unknown[] = [];
let installed = false;

/** For all connections of this process; safe to call again. */
export function keepCompiledCiphers(): void {
  if (installed) return;
  installed = true;
  for (const prototype of compiledCipherPrototypes()) {
    const { free } = prototype;
    prototype.free = function keepThenFree(this: object): void {
      // Only the compiled part: round it hangs the whole connection.
      kept.push(compiledPart(this));
      free.call(this);
    };
  }
}

/** Ciphers kept so far. */
export function keptCiphers(): number {
  return kept.length;
}
