// One mistake in a configuration file, as the operator reads it: where, what, what is allowed, what to do.

/** A mistake, placed. `line` and `column` count from 1; 0 means the file as a whole. */
export interface Diagnostic {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Dotted path of the key, such as `https.idle-timeout`; empty for the file as a whole. */
  readonly path: string;
  readonly message: string;
  readonly allowed?: string;
  readonly fix?: string;
}

/** Thrown when a configuration cannot be used; carries every mistake found, in file order. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID';
  readonly diagnostics: readonly Diagnostic[];

  constructor(diagnostics: readonly Diagnostic[]) {
    super(diagnostics.map(printDiagnostic).join('\n'));
    this.name = 'ConfigError';
    this.diagnostics = diagnostics;
  }
}

/** Two or three lines: place and mistake, then what is allowed, then what to do. */
export function printDiagnostic(entry: Diagnostic): string {
  const place = entry.line > 0 ? `${entry.file}:${entry.line}:${entry.column}` : entry.file;
  const lines = [`${place}: ${entry.path === '' ? '' : `${entry.path}: `}${entry.message}`];
  if (entry.allowed !== undefined) lines.push(`    allowed: ${entry.allowed}`);
  if (entry.fix !== undefined) lines.push(`    do: ${entry.fix}`);
  return lines.join('\n');
}
