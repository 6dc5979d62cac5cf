// Header fields in order of arrival (RFC 9110 §5): names keep the sender's spelling for printing and are
// looked up in lower case. Values that our own code adds are checked here, so that nothing printed can hold
// a line break; values from the parser were checked byte by byte before.
import { TOKEN } from './characters.ts';

const STRIDE = 3;
// oxlint-disable-next-line no-control-regex -- the control characters are what must not be printed
const UNPRINTABLE = /[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]|^[ \t]|[ \t]$/;

/** An ordered multimap of header fields. Every `name` given to a look-up is lower case. */
export class HeaderList {
  /** [lower-case name, name as spelled, value] repeated. */
  readonly #cells: string[] = [];

  /** A list of these fields; throws RangeError for a name or value that cannot be printed. */
  static of(...fields: readonly (readonly [name: string, value: string])[]): HeaderList {
    const list = new HeaderList();
    for (const [name, value] of fields) list.append(name, value);
    return list;
  }

  get size(): number {
    return this.#cells.length / STRIDE;
  }

  /** The first value of `name`. */
  get(name: string): string | undefined {
    const at = this.#find(name, 0);
    return at < 0 ? undefined : this.#cells[at + 2];
  }

  /** Every value of `name` in order. */
  all(name: string): string[] {
    const values: string[] = [];
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + STRIDE))
      values.push(this.#cells[at + 2] ?? '');
    return values;
  }

  has(name: string): boolean {
    return this.#find(name, 0) >= 0;
  }

  /** Adds a field at the end; throws RangeError for a name or value that cannot be printed. */
  append(name: string, value: string): void {
    checkField(name, value);
    this.#cells.push(name.toLowerCase(), name, value);
  }

  /** Adds a field that the parser has already checked. */
  appendParsed(lowerName: string, name: string, value: string): void {
    this.#cells.push(lowerName, name, value);
  }

  /** Replaces every field of that name by one at the end. */
  set(name: string, value: string): void {
    checkField(name, value);
    const lower = name.toLowerCase();
    this.remove(lower);
    this.#cells.push(lower, name, value);
  }

  remove(name: string): void {
    if (this.#find(name, 0) >= 0) this.removeWhere((lower) => lower === name);
  }

  /** Removes the fields whose lower-case name the predicate accepts; returns how many went. */
  removeWhere(predicate: (lowerName: string, value: string) => boolean): number {
    const cells = this.#cells;
    let kept = 0;
    for (let at = 0; at < cells.length; at += STRIDE) {
      const lower = cells[at] ?? '';
      const value = cells[at + 2] ?? '';
      if (predicate(lower, value)) continue;
      if (kept !== at) {
        cells[kept] = lower;
        cells[kept + 1] = cells[at + 1] ?? '';
        cells[kept + 2] = value;
      }
      kept += STRIDE;
    }
    const removed = (cells.length - kept) / STRIDE;
    cells.length = kept;
    return removed;
  }

  /** Replaces the value of every field of that name by what `change` returns. */
  rewrite(name: string, change: (value: string) => string): void {
    for (let at = this.#find(name, 0); at >= 0; at = this.#find(name, at + STRIDE)) {
      const value = change(this.#cells[at + 2] ?? '');
      checkField(name, value);
      this.#cells[at + 2] = value;
    }
  }

  /** The fields as `Name: value` lines, each ended by CRLF. */
  print(): string {
    const cells = this.#cells;
    let lines = '';
    for (let at = 0; at < cells.length; at += STRIDE) lines += `${cells[at + 1]}: ${cells[at + 2]}\r\n`;
    return lines;
  }

  /** [lower-case name, value] in order. */
  *entries(): Generator<[lowerName: string, value: string]> {
    const cells = this.#cells;
    for (let at = 0; at < cells.length; at += STRIDE) yield [cells[at] ?? '', cells[at + 2] ?? ''];
  }

  #find(name: string, from: number): number {
    const cells = this.#cells;
    for (let at = from; at < cells.length; at += STRIDE) if (cells[at] === name) return at;
    return -1;
  }
}

function checkField(name: string, value: string): void {
  if (!isToken(name)) throw new RangeError('header name is not a token');
  if (UNPRINTABLE.test(value)) throw new RangeError(`value of header ${name} cannot be printed`);
}

/** Whether the text is a non-empty token (RFC 9110 §5.6.2). */
export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127 || TOKEN[code] === 0) return false;
  }
  return text.length > 0;
}
