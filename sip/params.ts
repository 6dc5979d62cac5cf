// Generic parameters `;name[=value]`, RFC 3261 §25.1 generic-param, kept in order and as written (quotes included).
// Names compare without case. A name given twice is refused: two readers could otherwise pick different ones.

import { isTokenCode, skipBlank, skipQuoted, unquote } from './characters.ts';
import { SipParseError } from './parse-error.ts';

/** One parameter; `value` as written, undefined for a flag. */
export interface Param {
  readonly name: string;
  readonly value: string | undefined;
}

/** Parameters one list may hold; a longer list is refused. */
export const MAX_PARAMS = 64;

/** Parses parameters from `at` (at the first `;` or blanks before it) to `end`. */
export function parseParams(text: string, at: number, end = text.length): readonly Param[] {
  at = skipBlank(text, at, end);
  if (at === end) return NONE;
  const params: Param[] = [];
  while (at < end) {
    if (text.charCodeAt(at) !== 0x3b) throw new SipParseError('value', 'Malformed Parameter');
    const nameStart = skipBlank(text, at + 1, end);
    const nameEnd = tokenEnd(text, nameStart, end);
    if (nameEnd === nameStart) throw new SipParseError('value', 'Malformed Parameter Name');
    at = skipBlank(text, nameEnd, end);
    let value: string | undefined;
    if (at < end && text.charCodeAt(at) === 0x3d) {
      const valueStart = skipBlank(text, at + 1, end);
      const valueStop = paramValueEnd(text, valueStart, end);
      value = text.slice(valueStart, valueStop);
      at = skipBlank(text, valueStop, end);
    }
    addParam(params, text.slice(nameStart, nameEnd), value);
  }
  return params;
}

const NONE: readonly Param[] = [];

/** Adds a parameter to a list under construction, refusing duplicates and excess. */
export function addParam(params: Param[], name: string, value: string | undefined): void {
  if (findParam(params, name) !== undefined) throw new SipParseError('value', 'Duplicate Parameter');
  if (params.length === MAX_PARAMS) throw new SipParseError('too-long', 'Too Many Parameters');
  params.push({ name, value });
}

/** The parameter of that name, without regard to case. */
export function findParam(params: readonly Param[], name: string): Param | undefined {
  for (const param of params) {
    if (param.name.length !== name.length) continue;
    if (param.name === name || param.name.toLowerCase() === name.toLowerCase()) return param;
  }
  return undefined;
}

/** Whether the flag or parameter is there. */
export function hasParam(params: readonly Param[], name: string): boolean {
  return findParam(params, name) !== undefined;
}

/** The value with quotes resolved; '' for a flag; undefined when absent. */
export function paramValue(params: readonly Param[], name: string): string | undefined {
  const param = findParam(params, name);
  return param === undefined ? undefined : unquote(param.value ?? '');
}

/** The list with that parameter replaced in its place, or added at the end. `value` undefined makes a flag. */
export function withParam(
  params: readonly Param[],
  name: string,
  value: string | undefined,
): readonly Param[] {
  const old = findParam(params, name);
  const added = { name, value };
  return old === undefined ? [...params, added] : params.map((param) => (param === old ? added : param));
}

/** The list without that parameter. */
export function withoutParam(params: readonly Param[], name: string): readonly Param[] {
  const old = findParam(params, name);
  return old === undefined ? params : params.filter((param) => param !== old);
}

/** The parameters as text, each with its semicolon. */
export function printParams(params: readonly Param[]): string {
  let text = '';
  for (const { name, value } of params) text += value === undefined ? `;${name}` : `;${name}=${value}`;
  return text;
}

function tokenEnd(text: string, at: number, end: number): number {
  while (at < end && isTokenCode(text.charCodeAt(at))) at++;
  return at;
}

// gen-value = token / host / quoted-string. Taken wider (anything without blank, quote, bracket, `;` and `,`):
// COMPAT(Cisco endpoints): unquoted values with slashes and colons occur in Contact and Call-Info.
function paramValueEnd(text: string, at: number, end: number): number {
  if (at < end && text.charCodeAt(at) === 0x22) {
    const after = skipQuoted(text, at, end);
    if (after < 0) throw new SipParseError('value', 'Unterminated Quoted String');
    return after;
  }
  const start = at;
  while (at < end && isValueCode(text.charCodeAt(at))) at++;
  if (at === start) throw new SipParseError('value', 'Empty Parameter Value');
  return at;
}

function isValueCode(code: number): boolean {
  return (
    code > 0x20 &&
    code !== 0x7f &&
    code !== 0x22 &&
    code !== 0x2c &&
    code !== 0x3b &&
    code !== 0x3c &&
    code !== 0x3e
  );
}
