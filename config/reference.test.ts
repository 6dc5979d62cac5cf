import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { jsonSchema, printReference, SCHEMA_KINDS } from './index.ts';

it('docs/configuration.md says what the schema says (viaduct schema --markdown > docs/configuration.md)', () => {
  const written = readFileSync(new URL('../docs/configuration.md', import.meta.url), 'utf8');
  expect(written.trimEnd()).toBe(printReference().trimEnd());
});

interface Node {
  readonly description?: string;
  readonly allowed?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly items?: Node;
}

function* keys(node: Node, path: string): Generator<[string, Node]> {
  for (const [name, child] of Object.entries(node.properties ?? {})) {
    yield [`${path}.${name}`, child];
    yield* keys(child, `${path}.${name}`);
    if (child.items !== undefined) yield* keys(child.items, `${path}.${name}[]`);
  }
}

it.each([...SCHEMA_KINDS])('every key of the %s file has its sentence', (kind) => {
  const silent = [...keys(jsonSchema(kind) as Node, kind)].filter(([, node]) => !node.description);
  expect(silent.map(([path]) => path)).toEqual([]);
});
