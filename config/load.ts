// Reads configuration files: YAML with positions, schema, references to secrets, included zone files. All mistakes of
// all files come out together, each with its place; nothing is started on a file that has one.
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Document, Node } from 'yaml';
import type { z } from 'zod';
import { camelKeys } from './camel-keys.ts';
import type { CamelKeys } from './camel-keys.ts';
import { coreSchema } from './core-schema.ts';
import { ConfigError } from './diagnostic.ts';
import type { Diagnostic } from './diagnostic.ts';
import { edgeSchema } from './edge-schema.ts';
import { allowedKeys, proseOf, schemaAt } from './schema-walk.ts';
import { withSecretContext } from './secret.ts';
import { nearest } from './nearest.ts';
import { identityMistake, zoneSchema } from './zone-schema.ts';

export type ZoneConfig = CamelKeys<z.output<typeof zoneSchema>>['traversalZone'];
export type EdgeConfig = CamelKeys<z.output<typeof edgeSchema>> & {
  readonly traversalZones: readonly ZoneConfig[];
};
export type CoreConfig = CamelKeys<z.output<typeof coreSchema>> & {
  readonly traversalZones: readonly ZoneConfig[];
};

export type LoadedConfig =
  | { readonly kind: 'edge'; readonly file: string; readonly config: EdgeConfig }
  | { readonly kind: 'core'; readonly file: string; readonly config: CoreConfig }
  | { readonly kind: 'zone'; readonly file: string; readonly config: ZoneConfig };

const SCHEMAS = { edge: edgeSchema, core: coreSchema, zone: zoneSchema } as const;
const FIRST_KEY = { edge: 'edge', core: 'core', zone: 'traversal-zone' } as const;
type Kind = keyof typeof SCHEMAS;

const MAX_FILE_BYTES = 1024 * 1024;

interface Source {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
  readonly diagnostics: Diagnostic[];
  /** The plain values; undefined when the text could not be read. */
  readonly raw: unknown;
}

function open(file: string): Source {
  const lines = new LineCounter();
  const diagnostics: Diagnostic[] = [];
  let text = '';
  try {
    if (statSync(file).size > MAX_FILE_BYTES) throw new Error('it is larger than 1 MiB');
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const cause = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
    diagnostics.push({
      file,
      line: 0,
      column: 0,
      path: '',
      message: `cannot be read: ${cause}`,
      fix: 'name a file this user may read',
    });
  }
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
    version: '1.2',
  });
  for (const problem of [...document.errors, ...document.warnings]) {
    const { line, col } = lines.linePos(problem.pos[0]);
    diagnostics.push({ file, line, column: col, path: '', message: `not valid YAML: ${problem.message}` });
  }
  return {
    file,
    document,
    lines,
    diagnostics,
    raw: diagnostics.length > 0 ? undefined : expand(file, document, diagnostics),
  };
}

/** The document as plain values. Aliases may repeat a part 100 times, not more: beyond that a small file fills memory. */
function expand(file: string, document: Document, diagnostics: Diagnostic[]): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    diagnostics.push({
      file,
      line: 1,
      column: 1,
      path: '',
      message: `cannot be read: ${(error as Error).message}`,
    });
    return undefined;
  }
}

/** The node at `steps`, or the deepest one on the way; `key` asks for the key itself, not its value. */
function nodeAt(document: Document, steps: readonly PropertyKey[], key?: string): Node | undefined {
  let found: Node | undefined = isNode(document.contents) ? document.contents : undefined;
  for (let depth = 1; depth <= steps.length; depth += 1) {
    const next = document.getIn(steps.slice(0, depth), true);
    if (!isNode(next)) break;
    found = next;
  }
  if (key === undefined || !isMap(found)) return found;
  const pair = found.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === key);
  return pair && isNode(pair.key) ? pair.key : found;
}

function place(
  source: Source,
  steps: readonly PropertyKey[],
  key?: string,
): { line: number; column: number } {
  const range = nodeAt(source.document, steps, key)?.range;
  if (!range) return { line: 1, column: 1 };
  const { line, col } = source.lines.linePos(range[0]);
  return { line, column: col };
}

const printPath = (steps: readonly PropertyKey[]): string =>
  steps
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index > 0 ? '.' : ''}${String(step)}`))
    .join('');

function unknownKey(source: Source, kind: Kind, steps: readonly PropertyKey[], key: string): Diagnostic {
  const keys = allowedKeys(schemaAt(SCHEMAS[kind], steps));
  const meant = nearest(key, keys);
  return {
    file: source.file,
    ...place(source, steps, key),
    path: printPath([...steps, key]),
    message: 'unknown key',
    allowed: keys.join(', '),
    fix: meant === undefined ? 'remove it' : `did you mean ${JSON.stringify(meant)}?`,
  };
}

function messageOf(issue: z.core.$ZodIssue, source: Source, hasAllowed: boolean): string {
  if (issue.code === 'custom') return issue.message;
  if (issue.code === 'invalid_type') return `has the wrong type, it must be ${issue.expected}`;
  if (issue.code === 'invalid_union') {
    const reasons = issue.errors.flat().filter(({ code }) => code === 'custom');
    return reasons.at(-1)?.message ?? 'has a value that is not allowed';
  }
  const value: unknown = source.document.getIn(issue.path);
  const plain = typeof value === 'string' || typeof value === 'number';
  return hasAllowed && plain && issue.code !== 'invalid_format'
    ? `${JSON.stringify(value)} is not allowed`
    : issue.message;
}

function explain(source: Source, kind: Kind, issue: z.core.$ZodIssue): Diagnostic[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownKey(source, kind, issue.path, key));
  const { allowed, description } = proseOf(schemaAt(SCHEMAS[kind], issue.path));
  const missing = issue.path.length > 0 && source.document.getIn(issue.path) === undefined;
  const expected = 'expected' in issue ? String(issue.expected) : undefined;
  const message =
    missing && issue.code !== 'custom' ? 'is missing' : messageOf(issue, source, allowed !== undefined);
  const limit = allowed ?? (issue.code === 'invalid_type' ? `a value of type ${expected}` : undefined);
  return [
    {
      file: source.file,
      ...place(source, issue.path),
      path: printPath(issue.path),
      message,
      ...(limit === undefined ? {} : { allowed: limit }),
      ...(description === undefined ? {} : { fix: `${missing ? 'add it' : 'correct it'}. ${description}` }),
    },
  ];
}

interface Checked {
  readonly value: unknown;
  readonly diagnostics: readonly Diagnostic[];
}

function check(source: Source, kind: Kind, env: NodeJS.ProcessEnv): Checked {
  if (source.diagnostics.length > 0) return { value: undefined, diagnostics: source.diagnostics };
  const folder = path.dirname(path.resolve(source.file));
  const result = withSecretContext({ folder, env }, () => SCHEMAS[kind].safeParse(source.raw));
  if (!result.success) {
    return {
      value: undefined,
      diagnostics: result.error.issues.flatMap((issue) => explain(source, kind, issue)),
    };
  }
  const careless = kind === 'zone' ? identityMistake(source.file, source.raw) : undefined;
  if (careless !== undefined) {
    const at = ['traversal-zone', 'identity'];
    return {
      value: undefined,
      diagnostics: [{ file: source.file, ...place(source, at), path: printPath(at), ...careless }],
    };
  }
  return { value: result.data, diagnostics: [] };
}

function kindOf(source: Source): Kind | undefined {
  return (Object.keys(FIRST_KEY) as Kind[]).find((kind) => source.document.has(FIRST_KEY[kind]));
}

function checkZones(source: Source, value: unknown, env: NodeJS.ProcessEnv): Checked {
  const diagnostics: Diagnostic[] = [];
  const names = (value as { zones?: string[] } | undefined)?.zones ?? readableZoneNames(source);
  const zones = names.map((name, index) => {
    const file = path.resolve(path.dirname(source.file), name);
    const zone = open(file);
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
 * @throws ConfigError with every mistake of every file.
 */
export function loadConfig(file: string, env: NodeJS.ProcessEnv = process.env): LoadedConfig {
  const source = open(file);
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
  const main = check(source, kind, env);
  const zones = kind === 'zone' ? { value: [], diagnostics: [] } : checkZones(source, main.value, env);
  const diagnostics = [...main.diagnostics, ...zones.diagnostics];
  if (diagnostics.length > 0) throw new ConfigError(diagnostics.toSorted(inFileOrder));
  const config: unknown = camelKeys(main.value);
  if (kind === 'zone') return { kind, file, config: (config as { traversalZone: ZoneConfig }).traversalZone };
  const traversalZones = (zones.value as unknown[]).map(
    (zone) => (camelKeys(zone) as { traversalZone: ZoneConfig }).traversalZone,
  );
  return { kind, file, config: { ...(config as object), traversalZones } } as unknown as LoadedConfig;
}

/** Loads an edge's file. @throws ConfigError also when the file is of another kind. */
export function loadEdge(file: string, env?: NodeJS.ProcessEnv): EdgeConfig {
  return ofKind('edge', loadConfig(file, env)) as EdgeConfig;
}

/** Loads a core's file. @throws ConfigError also when the file is of another kind. */
export function loadCore(file: string, env?: NodeJS.ProcessEnv): CoreConfig {
  return ofKind('core', loadConfig(file, env)) as CoreConfig;
}

function ofKind(kind: Kind, loaded: LoadedConfig): LoadedConfig['config'] {
  if (loaded.kind === kind) return loaded.config;
  throw new ConfigError([
    {
      file: loaded.file,
      line: 1,
      column: 1,
      path: '',
      message: `is the configuration of a ${loaded.kind}, not of ${kind === 'edge' ? 'an edge' : 'a core'}`,
    },
  ]);
}
