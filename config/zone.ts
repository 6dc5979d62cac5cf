// The traversal-zone file as the loader sees it. Its schema belongs to `zones`, which writes such files; here the identity
// is fetched, a careless file mode is refused, and the keys are checked to belong together before anything starts.
import { statSync } from 'node:fs';
import path from 'node:path';
import { ZoneFileError, resolveZone } from '../zones/zone-file.ts';
import type { TraversalZone, ZoneFile } from '../zones/zone-file.ts';
import { readReference } from './secret.ts';

export { zoneFileSchema } from '../zones/zone-file.ts';

interface Mistake {
  readonly at: readonly string[];
  readonly message: string;
  readonly fix?: string;
}

const IDENTITY = ['traversal-zone', 'identity'];

/** What is wrong with a zone file that holds a private identity others may read; undefined when nothing is. */
function careless(file: string, identity: string): Mistake | undefined {
  if (!identity.startsWith('-----BEGIN ')) return undefined;
  const mode = statSync(file).mode & 0o777;
  if ((mode & 0o077) === 0) return undefined;
  return {
    at: IDENTITY,
    message: `holds a private key, and others may read the file (mode ${mode.toString(8)})`,
    fix: `chmod 600 ${path.resolve(file)}`,
  };
}

/** The zone ready for the links, or what is wrong with it. `value` has passed the schema. */
export function finishZone(
  file: string,
  value: ZoneFile,
  env: Readonly<Record<string, string | undefined>>,
): { readonly zone?: TraversalZone; readonly mistakes: readonly Mistake[] } {
  const { identity } = value['traversal-zone'];
  const open = careless(file, identity);
  if (open !== undefined) return { mistakes: [open] };
  try {
    const inline = identity.startsWith('-----BEGIN ');
    const pem = inline
      ? identity
      : readReference(identity, { folder: path.dirname(path.resolve(file)), env });
    return { zone: resolveZone(value, pem), mistakes: [] };
  } catch (error) {
    const problems = error instanceof ZoneFileError ? error.problems : [(error as Error).message];
    return { mistakes: problems.map((message) => ({ at: IDENTITY, message })) };
  }
}
