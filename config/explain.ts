// From the schema's complaint to the operator's: the place in the file, what is allowed, what to do.
import type { z } from 'zod';
import type { Diagnostic } from './diagnostic.ts';
import { nearest } from './nearest.ts';
import { allowedKeys, proseOf, schemaAt } from './schema-walk.ts';
import { place, printPath } from './yaml-source.ts';
import type { Source } from './yaml-source.ts';

function unknownKey(
  source: Source,
  schema: z.core.$ZodType,
  steps: readonly PropertyKey[],
  key: string,
): Diagnostic {
  const keys = allowedKeys(schemaAt(schema, steps));
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
  const explained = hasAllowed || issue.code === 'invalid_format';
  return explained && plain ? `${JSON.stringify(value)} is not allowed` : issue.message;
}

/** The diagnostics of one issue; an issue about unknown keys gives one for each key. */
export function explain(source: Source, schema: z.core.$ZodType, issue: z.core.$ZodIssue): Diagnostic[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => unknownKey(source, schema, issue.path, key));
  const { allowed, description } = proseOf(schemaAt(schema, issue.path));
  const missing = issue.path.length > 0 && source.document.getIn(issue.path) === undefined;
  const expected = 'expected' in issue ? String(issue.expected) : undefined;
  const message =
    missing && issue.code !== 'custom' ? 'is missing' : messageOf(issue, source, allowed !== undefined);
  const fallback = issue.code === 'invalid_type' ? `a value of type ${expected}` : undefined;
  const limit = allowed ?? (issue.code === 'invalid_format' ? issue.message : fallback);
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
