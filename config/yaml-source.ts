// One YAML file with the positions of everything in it. Bounded: 1 MiB of text, 100 repetitions by alias.
import { readFileSync, statSync } from 'node:fs';
import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Document, Node } from 'yaml';
import type { Diagnostic } from './diagnostic.ts';

const MAX_FILE_BYTES = 1024 * 1024;

/** A YAML file, parsed or not, that still knows where each value stands. */
export interface Source {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
  readonly diagnostics: Diagnostic[];
  /** The plain values; undefined when the text could not be read. */
  readonly raw: unknown;
}

/** Opens and parses one file; mistakes of reading and of YAML are in `diagnostics`. */
export function openSource(file: string): Source {
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

/** Where the value at `steps` stands, or the deepest one on the way; with `key`, where that key stands. */
export function place(
  source: Source,
  steps: readonly PropertyKey[],
  key?: string,
): { line: number; column: number } {
  const range = nodeAt(source.document, steps, key)?.range;
  if (!range) return { line: 1, column: 1 };
  const { line, col } = source.lines.linePos(range[0]);
  return { line, column: col };
}

/** `unified-cm[0].sip.transport` and the like. */
export const printPath = (steps: readonly PropertyKey[]): string =>
  steps
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index > 0 ? '.' : ''}${String(step)}`))
    .join('');
