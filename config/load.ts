// Reads configuration files: YAML with positions, schema, references to secrets, included zone files. All mistakes of
// all files come out together, each with its place; nothing is started on a file that has one.
import path from 'node:path';
import type { z } from 'zod';
import type { TraversalZone, ZoneFile } from '../zones/zone-file.ts';
import { camelKeys } from './camel-keys.ts';
import type { CamelKeys } from './camel-keys.ts';
import { coreSchema } from './core-schema.ts';
import { ConfigError } from './diagnostic.ts';
import type { Diagnostic } from './diagnostic.ts';
import { edgeSchema } from './edge-schema.ts';
import { explain } from './explain.ts';
import { withReadingContext } from './reading-context.ts';
import { openSource, place, printPath } from './yaml-source.ts';
import type { Source } from './yaml-source.ts';
import { finishZone, zoneFileSchema } from './zone.ts';

export type EdgeConfig = CamelKeys<z.output<typeof edgeSchema>> & {
  readonly traversalZones: readonly TraversalZone[];
};
export type CoreConfig = CamelKeys<z.output<typeof coreSchema>> & {
  readonly traversalZones: readonly TraversalZone[];
};

export type LoadedConfig =
  | { readonly kind: 'edge'; readonly file: string; readonly config: EdgeConfig }
  | { readonly kind: 'core'; readonly file: string; readonly config: CoreConfig }
  | { readonly kind: 'zone'; readonly file: string; readonly config: TraversalZone };

const SCHEMAS = { edge: edgeSchema, core: coreSchema, zone: zoneFileSchema } as const;
const FIRST_KEY = { edge: 'edge', core: 'core', zone: 'traversal-zone' } as const;
type Kind = keyof typeof SCHEMAS;

interface Checked {
  readonly value: unknown;
  readonly diagnostics: readonly Diagnostic[];
}

function check(source: Source, kind: Kind, env: NodeJS.ProcessEnv): Checked {
  if (source.diagnostics.length > 0) return { value: undefined, diagnostics: source.diagnostics };
  const folder = path.dirname(path.resolve(source.file));
  const result = withReadingContext({ folder, env }, () => SCHEMAS[kind].safeParse(source.raw));
  if (!result.success) {
    return {
      value: undefined,
      diagnostics: result.error.issues.flatMap((issue) => explain(source, SCHEMAS[kind], issue)),
    };
  }
  if (kind !== 'zone') return { value: result.data, diagnostics: [] };
  const { zone, mistakes } = finishZone(source.file, result.data as ZoneFile, env);
  const diagnostics = mistakes.map(({ at, ...mistake }) => ({
    file: source.file,
    ...place(source, at),
    path: printPath(at),
    ...mistake,
  }));
  return { value: zone, diagnostics };
}

function kindOf(source: Source): Kind | undefined {
  return (Object.keys(FIRST_KEY) as Kind[]).find((kind) => source.document.has(FIRST_KEY[kind]));
}

function checkZones(source: Source, value: unknown, env: NodeJS.ProcessEnv): Checked {
  const diagnostics: Diagnostic[] = [];
  const names = (value as { zones?: string[] } | undefined)?.zones ?? readableZoneNames(source);
  const zones = names.map((name, index) => {
    const file = path.resolve(path.dirname(source.file), name);
    const zone = openSource(file);
    const [first] = zone.diagnostics;
    if (first?.line === 0) {
      diagnostics.push({
        ...first,
        file: source.file,
        ...place(source, ['zones', index]),
        path: `zones[${index}]`,
        message: `${file} ${first.message}`,
      });
      return undefined;
    }
    const checked = check(zone, 'zone', env);
    diagnostics.push(...checked.diagnostics);
    return checked.value;
  });
  return { value: zones, diagnostics };
}

function readableZoneNames(source: Source): string[] {
  const raw: unknown =
    source.diagnostics.length === 0 ? source.document.toJS({ maxAliasCount: 100 }) : undefined;
  const zones = (raw as { zones?: unknown } | null)?.zones;
  return Array.isArray(zones) ? zones.filter((name) => typeof name === 'string') : [];
}

const inFileOrder = (a: Diagnostic, b: Diagnostic): number =>
  a.file === b.file ? a.line - b.line || a.column - b.column : 0;

/**
 * Loads one file of any kind, told by its first key, and the zone files it names.
 * `wanted` is the kind it must be: another one is told before its mistakes.
 * @throws ConfigError with every mistake of every file.
 */
export function loadConfig(
  file: string,
  env: NodeJS.ProcessEnv = process.env,
  wanted?: LoadedConfig['kind'],
): LoadedConfig {
  const source = openSource(file);
  const kind = kindOf(source);
  if (kind === undefined) {
    throw new ConfigError(
      source.diagnostics.length > 0
        ? source.diagnostics
        : [
            {
              file,
              line: 1,
              column: 1,
              path: '',
              message: 'is no Viaduct configuration',
              allowed: `a file with the key ${Object.values(FIRST_KEY).join(', ')}`,
            },
          ],
    );
  }
  if (wanted !== undefined && kind !== wanted) throw wrongKind(file, kind, wanted);
  const main = check(source, kind, env);
  const zones = kind === 'zone' ? { value: [], diagnostics: [] } : checkZones(source, main.value, env);
  const diagnostics = [...main.diagnostics, ...zones.diagnostics];
  if (diagnostics.length > 0) throw new ConfigError(diagnostics.toSorted(inFileOrder));
  if (kind === 'zone') return { kind, file, config: main.value as TraversalZone };
  const settings: unknown = camelKeys(main.value);
  const config = { ...(settings as object), traversalZones: zones.value };
  return { kind, file, config } as unknown as LoadedConfig;
}

/** Loads an edge's file. @throws ConfigError also when the file is of another kind. */
export function loadEdge(file: string, env?: NodeJS.ProcessEnv): EdgeConfig {
  return loadConfig(file, env, 'edge').config as EdgeConfig;
}

/** Loads a core's file. @throws ConfigError also when the file is of another kind. */
export function loadCore(file: string, env?: NodeJS.ProcessEnv): CoreConfig {
  return loadConfig(file, env, 'core').config as CoreConfig;
}

const KIND_WORDS = { edge: 'an edge', core: 'a core', zone: 'a zone' } as const;

function wrongKind(file: string, kind: Kind, wanted: Kind): ConfigError {
  const message = `is the configuration of ${KIND_WORDS[kind]}, not of ${KIND_WORDS[wanted]}`;
  return new ConfigError([{ file, line: 1, column: 1, path: '', message }]);
}
