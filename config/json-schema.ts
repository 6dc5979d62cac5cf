// JSON Schema of each kind of file, for editors: generated, so that it cannot drift from what is checked.
import { z } from 'zod';
import { coreSchema } from './core-schema.ts';
import { edgeSchema } from './edge-schema.ts';
import { zoneFileSchema } from './zone.ts';

const SCHEMAS = { edge: edgeSchema, core: coreSchema, zone: zoneFileSchema } as const;

/** The kinds of file that have a schema. */
export const SCHEMA_KINDS = ['edge', 'core', 'zone'] as const;

/** The JSON Schema (draft 2020-12) of what an operator writes in a file of this kind. */
export function jsonSchema(kind: (typeof SCHEMA_KINDS)[number]): object {
  return z.toJSONSchema(SCHEMAS[kind], { io: 'input', unrepresentable: 'any' });
}
