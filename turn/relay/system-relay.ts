// The relay engine on this machine: the native one when it was built, else its portable twin.
import { loadRelayBinding } from './native-binding.ts';
import { NativeRelay, type NativeRelayOptions } from './native-relay.ts';
import { PortableRelay } from './portable-relay.ts';
import type { RelayEngine } from './relay-engine.ts';

/** Opens an engine. `wanted` keeps a choice open for tests and for an operator who suspects the native one. */
export function openRelay(
  options: NativeRelayOptions,
  wanted: 'native' | 'portable' = 'native',
): { readonly engine: RelayEngine; /** One sentence for the log. */ readonly what: string } {
  const binding =
    wanted === 'native' ? loadRelayBinding() : { missing: 'the configuration asks for this one' };
  if ('missing' in binding) {
    return {
      engine: new PortableRelay(options),
      what: `TURN relay: portable (native: ${binding.missing})`,
    };
  }
  return { engine: new NativeRelay(binding, options), what: 'TURN relay: native' };
}
