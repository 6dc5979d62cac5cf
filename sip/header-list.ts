// The header lines of one message, raw and in order, with canonical reading and faithful editing. RFC 3261 §7.3.
// Untouched lines are printed byte for byte; an edit rewrites only the line it is about. A line is immutable, so
// clones share lines. Text is Latin-1: one character, one byte.

import { isLineSafe, skipBlank, trimBlank } from './characters.ts';
import { splitValues, valueEnd } from './comma-list.ts';
import { headerName, printedName } from './header-names.ts';
import { SipParseError } from './parse-error.ts';

/** One header line without its line end. `key` is canonical, `raw` as received, the value starts at `valueStart`. */
export interface HeaderLine {
  readonly key: string;
  readonly raw: string;
  readonly valueStart: number;
}

/** Ordered header lines. Names are accepted in any case and compact form; values never hold line ends. */
export class HeaderList {
  #lines: HeaderLine[];
  #parsed: Map<string, unknown> | undefined;
  #edited = false;

  constructor(lines: HeaderLine[] = []) {
    this.#lines = lines;
  }

  /** The lines in order; do not keep across edits. */
  get lines(): readonly HeaderLine[] {
    return this.#lines;
  }

  /** Whether anything was changed since parsing. */
  get isEdited(): boolean {
    return this.#edited;
  }

  has(name: string): boolean {
    return this.#find(headerName(name).key) >= 0;
  }

  /** How many lines carry the header (not values). */
  countLines(name: string): number {
    const { key } = headerName(name);
    let count = 0;
    for (const line of this.#lines) if (line.key === key) count++;
    return count;
  }

  /** The whole value of the first line with this name, trimmed, or undefined. A list header may hold several values. */
  get(name: string): string | undefined {
    const line = this.#lines[this.#find(headerName(name).key)];
    return line === undefined ? undefined : lineValue(line);
  }

  /** The first single value: of a list header, what stands before the first comma. */
  first(name: string): string | undefined {
    const value = this.get(name);
    if (value === undefined || !headerName(name).isList) return value;
    return trimBlank(value, 0, valueEnd(value, 0));
  }

  /** All values in order; comma-separated ones of list headers apart. Throws SipParseError on an empty list entry. */
  getAll(name: string): string[] {
    const { key, isList, mayBeEmpty } = headerName(name);
    const values: string[] = [];
    for (const line of this.#lines) {
      if (line.key !== key) continue;
      const value = lineValue(line);
      if (value === '' && mayBeEmpty) continue;
      if (isList) values.push(...splitValues(value));
      else values.push(value);
    }
    return values;
  }

  /** The result of a parser over this header, kept until the header is edited. */
  parsed<T>(key: string, parse: (headers: this) => T): T {
    this.#parsed ??= new Map();
    const known = this.#parsed.get(key);
    if (known !== undefined) return known as T;
    const value = parse(this);
    this.#parsed.set(key, value);
    return value;
  }

  /** Drops parsed values, which are several times the size of their lines; they are parsed again when asked for. */
  forgetParsed(): void {
    this.#parsed = undefined;
  }

  /** Puts a value before all others of this header, on its own line, where the first of them stands (or on top). */
  prepend(name: string, value: string): void {
    const line = makeLine(name, value);
    this.#lines.splice(Math.max(this.#find(line.key), 0), 0, line);
    this.#touch(line.key);
  }

  /** Adds a line after the last of this header, or at the end. */
  append(name: string, value: string): void {
    const line = makeLine(name, value);
    let at = this.#lines.length;
    for (let index = at - 1; index >= 0; index--) {
      if (this.#lines[index]?.key !== line.key) continue;
      at = index + 1;
      break;
    }
    this.#lines.splice(at, 0, line);
    this.#touch(line.key);
  }

  /** Replaces all lines of this header by one value, in the place of the first. */
  set(name: string, value: string): void {
    const line = makeLine(name, value);
    const at = this.#find(line.key);
    if (at < 0) this.#lines.push(line);
    else {
      this.#lines = this.#lines.filter((other, index) => index <= at || other.key !== line.key);
      this.#lines[at] = line;
    }
    this.#touch(line.key);
  }

  /** Replaces all values of this header, one per line, in the place of the first. */
  setAll(name: string, values: readonly string[]): void {
    const lines = values.map((value) => makeLine(name, value));
    const { key } = headerName(name);
    const at = this.#find(key);
    this.#lines = this.#lines.filter((line) => line.key !== key);
    this.#lines.splice(at < 0 ? this.#lines.length : at, 0, ...lines);
    this.#touch(key);
  }

  /** Removes every line of this header; says how many there were. */
  delete(name: string): number {
    const { key } = headerName(name);
    const before = this.#lines.length;
    const kept = this.#lines.filter((line) => line.key !== key);
    if (kept.length === before) return 0;
    this.#lines = kept;
    this.#touch(key);
    return before - kept.length;
  }

  /** Removes the lines whose canonical key is in the set (a strip list); says how many there were. */
  strip(keys: ReadonlySet<string>): number {
    return this.stripWhere((key) => keys.has(key));
  }

  /** Removes the lines whose canonical key the test picks (`key` is lower-case and long form). */
  stripWhere(picks: (key: string) => boolean): number {
    const removed = this.#lines.filter((line) => picks(line.key));
    if (removed.length === 0) return 0;
    this.#lines = this.#lines.filter((line) => !removed.includes(line));
    for (const line of removed) this.#touch(line.key);
    return removed.length;
  }

  /** Removes and returns the first value; the rest of a combined line stays as it was written. */
  removeFirst(name: string): string | undefined {
    const { key, isList } = headerName(name);
    const at = this.#find(key);
    const line = this.#lines[at];
    if (line === undefined) return undefined;
    const end = isList ? valueEnd(line.raw, line.valueStart) : line.raw.length;
    if (end >= line.raw.length) this.#lines.splice(at, 1);
    else this.#lines[at] = cutValue(line, line.valueStart, end + 1);
    this.#touch(key);
    return trimBlank(line.raw, line.valueStart, end);
  }

  /** Replaces the first value only; further values of a combined line stay as they were written. */
  replaceFirst(name: string, value: string): void {
    const { key, isList } = headerName(name);
    const at = this.#find(key);
    const line = this.#lines[at];
    if (line === undefined) {
      this.prepend(name, value);
      return;
    }
    checkLineSafe(value);
    const start = skipBlank(line.raw, line.valueStart);
    const end = isList ? valueEnd(line.raw, line.valueStart) : line.raw.length;
    const raw = line.raw.slice(0, start) + value + line.raw.slice(end);
    this.#lines[at] = { key, raw, valueStart: line.valueStart };
    this.#touch(key);
  }

  /** A list with the same lines that can be edited apart from this one. */
  clone(): HeaderList {
    const copy = new HeaderList(this.#lines.slice());
    copy.#edited = this.#edited;
    if (this.#parsed !== undefined) copy.#parsed = new Map(this.#parsed);
    return copy;
  }

  /** The lines as they go on the wire, each with its line end. */
  print(): string {
    let text = '';
    for (const line of this.#lines) text += line.raw + '\r\n';
    return text;
  }

  #find(key: string): number {
    const lines = this.#lines;
    for (let index = 0; index < lines.length; index++) if (lines[index]?.key === key) return index;
    return -1;
  }

  #touch(key: string): void {
    this.#edited = true;
    this.#parsed?.delete(key);
  }
}

/** The value of a line, blanks around it removed. */
export function lineValue(line: HeaderLine): string {
  return trimBlank(line.raw, line.valueStart);
}

/** A new line in our own spelling. Throws SipParseError when name or value would break the line. */
export function makeLine(name: string, value: string): HeaderLine {
  checkLineSafe(value);
  const printed = printedName(name);
  return { key: headerName(name).key, raw: `${printed}: ${value}`, valueStart: printed.length + 1 };
}

function cutValue(line: HeaderLine, from: number, to: number): HeaderLine {
  const rest = line.raw.slice(skipBlank(line.raw, to));
  return { key: line.key, raw: `${line.raw.slice(0, from)} ${rest}`, valueStart: from };
}

function checkLineSafe(value: string): void {
  if (!isLineSafe(value)) throw new SipParseError('value', 'Line End In Header Value', 500);
}
