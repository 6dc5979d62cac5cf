// Response heads (RFC 9112 §4, §6.3) from inside servers and from the other end of the link. As strict as for
// requests: a response that two readers could cut differently is refused whole. HTTP/1.0 is read, its connection
// is not used again (§9.3).
import { HttpError } from './http-error.ts';
import type { Framing, HeadLimits, ResponseHead } from './message.ts';
import { type ParsedFields, parseFields } from './parse-fields.ts';

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5][0-9]{2})(?: ([^\r\n]*))?$/;

/** Reads a head that the scanner has passed; the request's method says whether a body can follow. Throws HttpError 502. */
export function parseResponse(text: string, limits: HeadLimits, requestMethod: string): ResponseHead {
  const end = text.indexOf('\r\n');
  const line = STATUS_LINE.exec(text.slice(0, end));
  if (line === null) throw badResponse('malformed status line');
  const status = Number(line[2]);
  const old = line[1] === '0';
  const fields = parseFields(text, end + 2, limits);
  if (old && fields.chunked) throw badResponse('transfer coding in HTTP/1.0');
  const framing = responseFraming(status, requestMethod, fields);
  return {
    status,
    reasonPhrase: line[3] ?? '',
    headers: fields.headers,
    framing,
    declaredLength: fields.contentLength,
    close: fields.close || framing.kind === 'until-close' || (old && !fields.keepAlive),
  };
}

function responseFraming(status: number, requestMethod: string, fields: ParsedFields): Framing {
  if (requestMethod === 'HEAD' || status < 200 || status === 204 || status === 304) return { kind: 'none' };
  if (fields.chunked) return { kind: 'chunked' };
  if (fields.contentLength !== undefined) return { kind: 'length', bytes: fields.contentLength };
  return { kind: 'until-close' };
}

function badResponse(message: string): HttpError {
  return new HttpError(502, 'bad-response', message);
}
