// Request heads (RFC 9112 §3, §6.3), strictly: HTTP/1.1, origin-form, known methods, exactly one Host.
// Where the RFC lets a server be lenient (several spaces, absolute-form, obsolete versions) we refuse: a front door
// must not read a message differently from whoever reads it next.
import { parseAuthority } from './authority.ts';
import { canonicalTarget } from './canonical-path.ts';
import { isToken } from './header-list.ts';
import { HttpError } from './http-error.ts';
import type { Framing, HeadLimits, RequestHead } from './message.ts';
import { type ParsedFields, parseFields } from './parse-fields.ts';

/** What a server takes: bounds on the head, and the methods it knows. */
export interface RequestLimits extends HeadLimits {
  readonly methods: ReadonlySet<string>;
}

/** The methods of ordinary web services; TRACE and CONNECT are refused by every hop. */
export const USUAL_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
]);

const VERSION = 'HTTP/1.1';

/** Reads a head that the scanner has passed. Throws HttpError with the status for the answer. */
export function parseRequest(text: string, limits: RequestLimits): RequestHead {
  const end = text.indexOf('\r\n');
  const afterMethod = text.indexOf(' ');
  const afterTarget = text.indexOf(' ', afterMethod + 1);
  if (afterMethod < 0 || afterMethod > end || afterTarget < 0 || afterTarget > end)
    throw syntax('request line is not three words');
  const method = text.slice(0, afterMethod);
  if (!limits.methods.has(method)) throw methodRefused(method);
  checkVersion(text.slice(afterTarget + 1, end));
  if (afterTarget - afterMethod - 1 > limits.maxTargetBytes)
    throw new HttpError(414, 'target-too-long', 'target exceeds the limit');
  const { target, path, query } = canonicalTarget(text.slice(afterMethod + 1, afterTarget));
  const fields = parseFields(text, end + 2, limits);
  if (fields.host === undefined) throw new HttpError(400, 'host', 'no Host');
  const { hostname, port } = parseAuthority(fields.host);
  return {
    method,
    target,
    path,
    query,
    host: port === undefined ? hostname : `${hostname}:${port}`,
    hostname,
    port,
    headers: fields.headers,
    framing: requestFraming(fields),
    expectContinue: readExpect(fields.expect),
    upgrade: fields.upgrade,
    close: fields.close,
  };
}

function methodRefused(method: string): HttpError {
  if (method === 'PRI') return new HttpError(505, 'version', 'HTTP/2 without negotiation');
  if (method === 'CONNECT' || method === 'TRACE') return new HttpError(405, 'method', 'method refused');
  return isToken(method) ? new HttpError(501, 'method', 'method not known') : syntax('method is not a token');
}

function checkVersion(version: string): void {
  if (version === VERSION) return;
  if (/^HTTP\/[0-9]\.[0-9]$/.test(version)) throw new HttpError(505, 'version', 'not HTTP/1.1');
  throw syntax('malformed version');
}

function requestFraming(fields: ParsedFields): Framing {
  if (fields.chunked) return { kind: 'chunked' };
  if (fields.contentLength === undefined) return NO_BODY;
  return { kind: 'length', bytes: fields.contentLength };
}

const NO_BODY: Framing = { kind: 'none' };

function readExpect(value: string | undefined): boolean {
  if (value === undefined) return false;
  if (value.toLowerCase() === '100-continue') return true;
  throw new HttpError(417, 'expectation', 'expectation other than 100-continue');
}

function syntax(message: string): HttpError {
  return new HttpError(400, 'syntax', message);
}
