// The operator's reference of every key, as Markdown: made from the same schema that checks the files, so that it cannot
// say anything else than the program does.
import { SCHEMA_KINDS, jsonSchema } from './json-schema.ts';

interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly allowed?: string;
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
}

const TITLES = { edge: 'Edge', core: 'Core', zone: 'Traversal zone' } as const;

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

function printDefault(node: SchemaNode, isRequired: boolean): string {
  const value = node.default;
  if (isRequired) return '**required**';
  if (value === undefined || typeof value === 'object')
    return Array.isArray(value) && value.length === 0 ? 'none' : '';
  return `\`${JSON.stringify(value).replaceAll('"', '')}\``;
}

function* rows(node: SchemaNode, path: string): Generator<string> {
  for (const [name, child] of Object.entries(node.properties ?? {})) {
    const at = path === '' ? name : `${path}.${name}`;
    const isRequired = node.required?.includes(name) === true && child.default === undefined;
    const isSection = child.properties !== undefined || child.items?.properties !== undefined;
    const allowed = isSection ? '' : (child.allowed ?? child.items?.allowed ?? '');
    const cells = [`\`${at}\``, printDefault(child, isRequired), allowed, child.description ?? ''];
    yield `| ${cells.map(cell).join(' | ')} |`;
    yield* rows(child, at);
    if (child.items !== undefined) yield* rows(child.items, `${at}[]`);
  }
}

/** The whole reference. */
export function printReference(): string {
  const chapters = SCHEMA_KINDS.map((kind) => {
    const schema = jsonSchema(kind) as SchemaNode;
    const head = `## ${TITLES[kind]}\n\n${schema.description ?? ''}\n\n| key | default | allowed | what it is for |\n|---|---|---|---|\n`;
    return `${head}${[...rows(schema, '')].join('\n')}\n`;
  });
  return `# Configuration reference

Made from the schema by \`viaduct schema --markdown\`; a test keeps it current. Durations and sizes always carry their unit. An unknown key
is an error. Secrets enter by reference: \`file:PATH\` or \`env:NAME\`. \`viaduct check FILE…\` tells every mistake at once.

${chapters.join('\n')}`;
}
