// Finds and replaces the session description in a SIP body (RFC 3261 §7.4, RFC 5621): the whole body, or the
// application/sdp part inside multipart/*. Every other byte stays as it came. Trust: bodies are hostile; nesting is
// one level, parts are bounded, anything that does not add up is refused with a reason and never guessed at.

/** Where the description lies in `body`: `[start, end)`. */
export interface SdpSpan {
  readonly start: number;
  readonly end: number;
}

/** A body whose type promises a description or parts that cannot be told apart. */
export class BodyError extends Error {
  override readonly name = 'BodyError';
}

/** More parts than this in one body are refused; real ones have two or three (SDP, remote-cc, certificate). */
const maxParts = 16;
const maxBoundaryBytes = 70; // RFC 2046 §5.1.1

/** The span of the session description, or undefined when the body has none; throws `BodyError`. */
export function findSdp(contentType: string | undefined, body: Buffer): SdpSpan | undefined {
  if (body.length === 0 || contentType === undefined) return undefined;
  const type = mediaType(contentType);
  if (type === 'application/sdp') return { start: 0, end: body.length };
  if (!type.startsWith('multipart/')) return undefined;
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) throw new BodyError('multipart without a boundary');
  return findSdpPart(boundary, body);
}

/** `body` with the bytes of `span` replaced by `sdp`. */
export function replaceSdp(body: Buffer, span: SdpSpan, sdp: Buffer): Buffer {
  if (span.start === 0 && span.end === body.length) return sdp;
  return Buffer.concat([body.subarray(0, span.start), sdp, body.subarray(span.end)]);
}

function mediaType(contentType: string): string {
  const end = contentType.indexOf(';');
  return (end < 0 ? contentType : contentType.slice(0, end)).replaceAll(/[ \t]/g, '').toLowerCase();
}

function boundaryOf(contentType: string): string | undefined {
  const match = /;[ \t]*boundary[ \t]*=[ \t]*(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType);
  const boundary = match?.[1] ?? match?.[2];
  return boundary !== undefined && boundary.length <= maxBoundaryBytes ? boundary : undefined;
}

function findSdpPart(boundary: string, body: Buffer): SdpSpan | undefined {
  const delimiter = Buffer.from(`--${boundary}`, 'latin1');
  let found: SdpSpan | undefined;
  let at = nextDelimiter(body, delimiter, 0);
  for (let parts = 0; at >= 0; parts += 1) {
    if (parts > maxParts) throw new BodyError('too many body parts');
    const after = at + delimiter.length;
    if (body.subarray(after, after + 2).equals(dashes)) return found;
    const next = nextDelimiter(body, delimiter, after);
    if (next < 0) throw new BodyError('multipart body ends inside a part');
    const span = sdpOfPart(body, after, next - 2);
    if (span !== undefined && found !== undefined) throw new BodyError('two session descriptions');
    found ??= span;
    at = next;
  }
  throw new BodyError('multipart body without its delimiter');
}

const dashes = Buffer.from('--');

/** The next delimiter that opens a line: at the start of the body or after CRLF. */
function nextDelimiter(body: Buffer, delimiter: Buffer, from: number): number {
  let at = body.indexOf(delimiter, from);
  while (at > 0 && !(body[at - 2] === 13 && body[at - 1] === 10)) at = body.indexOf(delimiter, at + 1);
  return at;
}

/** The content of one part, when its headers say application/sdp. `from` is just after the delimiter. */
function sdpOfPart(body: Buffer, from: number, end: number): SdpSpan | undefined {
  const lineEnd = body.indexOf('\r\n', from);
  if (lineEnd < 0 || lineEnd > end) throw new BodyError('body part without a line end');
  const blank = body.indexOf('\r\n\r\n', lineEnd);
  if (blank < 0 || blank + 4 > end + 2) return undefined; // no headers: text/plain by default
  const headers = body.toString('latin1', lineEnd + 2, blank);
  const type = /(?:^|\r\n)(?:content-type|c)[ \t]*:[ \t]*([^\r\n]*)/i.exec(headers)?.[1];
  if (type === undefined || mediaType(type) !== 'application/sdp') return undefined;
  return { start: blank + 4, end: Math.max(blank + 4, end) };
}
