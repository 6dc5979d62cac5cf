// Reads every import of every source file and fails on an arrow that test/house/rooms.ts does not allow, on a circular
// pair of processes, and on a name that hides what a file is.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { ALLOWED, ASSEMBLY_ONLY } from './rooms.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const ROOMS = Object.keys(ALLOWED);

function sources(folder: string): string[] {
  return readdirSync(path.join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter(
      (entry) => entry.isFile() && entry.name.endsWith('.ts') && !entry.parentPath.includes('node_modules'),
    )
    .map((entry) => path.relative(ROOT, path.join(entry.parentPath, entry.name)));
}

const present = readdirSync(ROOT, { withFileTypes: true }).filter(
  (entry) => entry.isDirectory() && ROOMS.includes(entry.name),
);
const files = present.flatMap((entry) => sources(entry.name));

/** Relative targets of static and dynamic imports, as paths from the root. */
function imports(file: string): string[] {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  const targets = text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
  return [...targets].map((match) =>
    path.relative(ROOT, path.resolve(ROOT, path.dirname(file), match[1] ?? '')),
  );
}

const roomOf = (file: string): string => file.split('/')[0] ?? '';

/** Why `file` may not import `target`; undefined when it may. */
function forbidden(file: string, target: string): string | undefined {
  const [from, to] = [roomOf(file), roomOf(target)];
  if (from === to) return undefined;
  const isTest = file.endsWith('.test.ts');
  if (!isTest && to === 'test') return `${file} imports a test: ${target}`;
  if (!ALLOWED[from]?.includes(to)) return `${file} → ${target}: ${from} may not know ${to}`;
  const only = ASSEMBLY_ONLY[`${from}→${to}`];
  if (only !== undefined && !isTest && !only.some((pattern) => pattern.test(file))) {
    return `${file} → ${target}: only where the process is put together`;
  }
  return undefined;
}

describe('the house', () => {
  it('has rooms to look at', () => expect(files.length).toBeGreaterThan(20));

  it('has no arrow that the table does not allow', () =>
    expect(
      files.flatMap((file) =>
        imports(file)
          .map((target) => forbidden(file, target))
          .filter(Boolean),
      ),
    ).toEqual([]));

  it('refuses what it should', () => {
    expect(forbidden('edge/edge.ts', 'core/core.ts')).toContain('may not know');
    expect(forbidden('sip/index.ts', 'edge/sip/door.ts')).toContain('may not know');
    expect(forbidden('core/sip/proxy.ts', 'config/index.ts')).toContain('put together');
    expect(forbidden('core/core.ts', 'config/index.ts')).toBeUndefined();
  });

  it('names every file and folder for what it is', () =>
    expect(
      files.filter((file) => /(^|[/-])(utils?|common|helpers?|misc|shared)([/.-]|$)/.test(file)),
    ).toEqual([]));

  it('draws randomness from the system only', () => {
    const careless = files.filter((file) => {
      const text = readFileSync(path.join(ROOT, file), 'utf8');
      return /Math\.random\(/.test(text) && !/\.test\.ts$|^test\//.test(file);
    });
    expect(careless).toEqual([]);
  });
});
