// Finds the schema that stands at a path, so that an error can quote its prose, its allowed values and its siblings.
import { z } from 'zod';

type Schema = z.core.$ZodType;

interface Definition {
  readonly type: string;
  readonly innerType?: Schema;
  readonly in?: Schema;
  readonly element?: Schema;
  readonly shape?: Readonly<Record<string, Schema>>;
}

const definition = (schema: Schema): Definition => schema._zod.def;

/** The schema under wrappers (optional, default, pipe), innermost last; each may carry metadata. */
function* layers(schema: Schema): Generator<Schema> {
  for (let at: Schema | undefined = schema; at !== undefined;) {
    yield at;
    const def: Definition = definition(at);
    at = def.innerType ?? def.in;
  }
}

function shapeOf(schema: Schema): Readonly<Record<string, Schema>> | undefined {
  for (const layer of layers(schema)) {
    const { shape } = definition(layer);
    if (shape !== undefined) return shape;
  }
  return undefined;
}

function elementOf(schema: Schema): Schema | undefined {
  for (const layer of layers(schema)) {
    const { element } = definition(layer);
    if (element !== undefined) return element;
  }
  return undefined;
}

/** The schema at `path` below `root`, or undefined where the path leaves the schema. */
export function schemaAt(root: Schema, path: readonly PropertyKey[]): Schema | undefined {
  let at: Schema | undefined = root;
  for (const step of path) {
    if (at === undefined) return undefined;
    at = typeof step === 'number' ? elementOf(at) : shapeOf(at)?.[String(step)];
  }
  return at;
}

/** The keys that an object schema allows; empty for anything else. */
export function allowedKeys(schema: Schema | undefined): string[] {
  return Object.keys((schema && shapeOf(schema)) ?? {});
}

/** The nearest metadata of a schema: what is allowed and what the key is for. */
export function proseOf(schema: Schema | undefined): { allowed?: string; description?: string } {
  const prose: { allowed?: string; description?: string } = {};
  if (schema === undefined) return prose;
  for (const layer of layers(schema)) {
    const meta = z.globalRegistry.get(layer);
    if (prose.allowed === undefined && typeof meta?.allowed === 'string') prose.allowed = meta.allowed;
    if (prose.description === undefined && typeof meta?.description === 'string')
      prose.description = meta.description;
  }
  return prose;
}
