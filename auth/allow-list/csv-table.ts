// A CSV file with a fixed heading (RFC 4180, through csv-parse): one entry per line, one line per entry. Every fault is
// gathered with its line, and one fault voids the whole file, so that nothing is ever half applied. The file is an
// operator's upload: believed to be meant well, not to be right. Bounded in bytes and lines.
import { CsvError, type Info, parse } from 'csv-parse/sync';

export interface CsvFault {
  /** As an editor counts, from 1. */
  readonly line: number;
  readonly text: string;
}

export interface CsvRow {
  readonly line: number;
  /** As many as there are columns; a field left out at the end is empty. */
  readonly fields: readonly string[];
}

export type CsvTable =
  | { readonly rows: readonly CsvRow[]; readonly faults?: undefined }
  | { readonly faults: readonly CsvFault[] };

const maxBytes = 8 * 1024 * 1024;
const maxRows = 20_000;
const maxFieldLength = 4096;

/** The rows below the heading. Never throws. */
export function readCsvTable(text: string, columns: readonly string[]): CsvTable {
  const size = Buffer.byteLength(text);
  if (size > maxBytes) return { faults: [{ line: 1, text: `the file is larger than ${maxBytes} bytes` }] };
  const faults: CsvFault[] = [];
  const records = readRecords(text, faults);
  const [heading, ...below] = records;
  if (faults.length === 0) checkHeading(heading, columns, faults);
  if (below.length > maxRows) faults.push({ line: 1, text: `the file has more than ${maxRows} entries` });
  const rows = faults.length > 0 ? [] : below.map((row) => fitColumns(row, columns, faults));
  return faults.length > 0 ? { faults } : { rows };
}

interface Parsed {
  readonly record: readonly string[];
  readonly info: Info;
}

function readRecords(text: string, faults: CsvFault[]): CsvRow[] {
  const note = (error: CsvError | undefined): undefined => {
    const lines: unknown = error === undefined ? undefined : Reflect.get(error, 'lines');
    faults.push({ line: typeof lines === 'number' ? lines : 1, text: wordsOf(error?.code) });
  };
  try {
    const parsed = parse(text, {
      bom: true,
      info: true,
      trim: true,
      skip_empty_lines: true,
      relax_column_count: true,
      skip_records_with_error: true,
      max_record_size: maxFieldLength * 8,
      on_skip: note,
    }) as unknown as Parsed[];
    return parsed.map(({ record, info }) => ({ line: info.lines, fields: record }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    note(error);
    return [];
  }
}

function wordsOf(code: string | undefined): string {
  if (code === 'CSV_QUOTE_NOT_CLOSED') return 'a double quote that begins here or before is never closed';
  if (code === 'CSV_MAX_RECORD_SIZE') return 'the line is too long, or a double quote before is never closed';
  return 'a double quote stands where none may: write a value with quotes, commas or spaces inside double quotes';
}

function checkHeading(heading: CsvRow | undefined, columns: readonly string[], faults: CsvFault[]): void {
  const found = heading?.fields.map((name) => name.toLowerCase()).join();
  if (found === columns.join().toLowerCase()) return;
  faults.push({ line: heading?.line ?? 1, text: `the first line must be ${columns.join(',')}` });
}

function fitColumns({ line, fields }: CsvRow, columns: readonly string[], faults: CsvFault[]): CsvRow {
  if (fields.length > columns.length) {
    const hint = 'is a list of methods without double quotes?';
    faults.push({ line, text: `has ${fields.length} values where ${columns.length} are expected; ${hint}` });
  }
  if (fields.some((field) => /[\r\n]/.test(field)))
    faults.push({ line, text: 'an entry must stay on one line' });
  if (fields.some((field) => field.length > maxFieldLength))
    faults.push({ line, text: 'a value is too long' });
  return { line, fields: columns.map((_name, index) => fields[index] ?? '') };
}
