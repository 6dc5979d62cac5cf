// The relay engines that this machine has, for the suites that every engine passes.
import { loadRelayBinding } from './native-binding.ts';
import type { RelayEngine } from './relay-engine.ts';

const binding = loadRelayBinding();
if ('missing' in binding) process.stderr.write(`SKIPPED native TURN relay: ${binding.missing}\n`);

/** Kinds of engine; the native one only where it was built. */
export const RELAY_ENGINES: readonly RelayEngine['kind'][] =
  'missing' in binding ? ['portable'] : ['portable', 'native'];
