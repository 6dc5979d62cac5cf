// URI equality, RFC 3261 §19.1.4. Not transitive by design of the RFC; never use it for keys.

import { findParam } from './params.ts';
import type { Param } from './params.ts';
import { unescapeUri } from './uri.ts';
import type { SipUri, Uri } from './uri.ts';

// A parameter of these that stands in one URI only makes the two differ.
const SIGNIFICANT = ['user', 'ttl', 'method', 'maddr'];

/** Whether two URIs name the same resource. Opaque schemes compare as text. */
export function isSameUri(a: Uri, b: Uri): boolean {
  if (a.kind === 'other' || b.kind === 'other') {
    return (
      a.kind === b.kind &&
      a.scheme === b.scheme &&
      a.kind === 'other' &&
      b.kind === 'other' &&
      a.opaque === b.opaque
    );
  }
  return isSameAddress(a, b) && isSameParams(a.params, b.params) && isSameHeaders(a.headers, b.headers);
}

function isSameAddress(a: SipUri, b: SipUri): boolean {
  return (
    a.scheme === b.scheme &&
    unescapeUri(a.user ?? '') === unescapeUri(b.user ?? '') &&
    (a.user === undefined) === (b.user === undefined) &&
    unescapeUri(a.password ?? '') === unescapeUri(b.password ?? '') &&
    a.host.toLowerCase() === b.host.toLowerCase() &&
    a.port === b.port
  );
}

function isSameParams(a: readonly Param[], b: readonly Param[]): boolean {
  for (const param of a) {
    const other = findParam(b, param.name);
    if (
      other !== undefined &&
      unescapeUri(param.value ?? '').toLowerCase() !== unescapeUri(other.value ?? '').toLowerCase()
    ) {
      return false;
    }
  }
  // COMPAT(RFC 3261 §19.1.4 text): transport in one URI only also differs, since its default is a choice of RFC 3263.
  return [...SIGNIFICANT, 'transport'].every(
    (name) => (findParam(a, name) === undefined) === (findParam(b, name) === undefined),
  );
}

function isSameHeaders(a: string | undefined, b: string | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  return sortedHeaders(a) === sortedHeaders(b);
}

function sortedHeaders(headers: string): string {
  return headers
    .split('&')
    .map((header) => {
      const equals = header.indexOf('=');
      const name = equals < 0 ? header : header.slice(0, equals);
      return `${name.toLowerCase()}=${equals < 0 ? '' : unescapeUri(header.slice(equals + 1))}`;
    })
    .sort()
    .join('&');
}

/**
 * A key for tables with one entry per address of record (RFC 3261 §10.3 step 5): scheme, user, host and port, escapes
 * resolved, host in lower case, no parameters.
 */
export function addressKey(uri: Uri): string {
  if (uri.kind === 'other') return `${uri.scheme}:${uri.opaque}`;
  const user = uri.user === undefined ? '' : `${unescapeUri(uri.user)}@`;
  return `${uri.scheme}:${user}${uri.host.toLowerCase()}${uri.port === undefined ? '' : `:${uri.port}`}`;
}
