// Finds and replaces the session description in a SIP body (RFC 3261 §7.4, RFC 5621): the whole body, or the
// application/sdp part inside multipart/*. Every other byte stays as it came. Trust: bodies are hostile; nesting is
// one level, parts are bounded. What this reader and another might read differently is refused, never guessed at: a
// description that is missed here would go on with a client's own addresses and no SRTP.

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
  if (body.length === 0) return undefined;
  if (contentType === undefined) throw new BodyError('body without a type');
  const type = mediaType(contentType);
  if (type === 'application/sdp') return { start: 0, end: body.length };
  if (!type.startsWith('multipart/')) return undefined;
  const boundary = boundaryOf(contentType);
  if (boundary === undefined) throw new BodyError('multipart without one boundary');
  return findSdpPart(boundary, body);
}

/** `body` with the bytes of `span` replaced by `sdp`. */
export function replaceSdp(body: Buffer, span: SdpSpan, sdp: Buffer): Buffer {
  if (span.start === 0 && span.end === body.length) return sdp;
  return Buffer.concat([body.subarray(0, span.start), sdp, body.subarray(span.end)]);
}

/** Type and subtype in lower case. Throws `BodyError`. */
function mediaType(contentType: string): string {
  const match = /^[ \t]*([\w!#$%&'*+.^`|~-]+)[ \t]*\/[ \t]*([\w!#$%&'*+.^`|~-]+)[ \t]*(?:;|$)/.exec(
    contentType,
  );
  if (match === null) throw new BodyError('unreadable content type');
  return `${match[1]}/${match[2]}`.toLowerCase();
}

function boundaryOf(contentType: string): string | undefined {
  if ((contentType.match(/;[ \t]*boundary[ \t]*=/gi) ?? []).length !== 1) return undefined;
  const match = /;[ \t]*boundary[ \t]*=[ \t]*(?:"([^"\\]{1,70})"|([^\s;"]{1,70}))[ \t]*(?:;|$)/i.exec(
    contentType,
  );
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
    if (isClosed(body, after)) {
      if (nextDelimiter(body, delimiter, after) >= 0) throw new BodyError('a part after the last');
      return found;
    }
    const next = nextDelimiter(body, delimiter, after);
    if (next < 0) throw new BodyError('multipart body ends inside a part');
    const span = sdpOfPart(body, after, next - 2);
    if (span !== undefined && found !== undefined) throw new BodyError('two session descriptions');
    found ??= span;
    at = next;
  }
  throw new BodyError('multipart body without its delimiter');
}

/** The next delimiter that opens a line: at the start of the body or after CRLF. After half of one it is refused. */
function nextDelimiter(body: Buffer, delimiter: Buffer, from: number): number {
  let at = body.indexOf(delimiter, from);
  while (at > 0 && !(body[at - 2] === 13 && body[at - 1] === 10)) {
    if (body[at - 1] === 10 || body[at - 1] === 13) throw new BodyError('delimiter after half a line end');
    at = body.indexOf(delimiter, at + 1);
  }
  return at;
}

/** Whether the delimiter that ends at `after` is the last; nothing but blanks may follow it in its line. */
function isClosed(body: Buffer, after: number): boolean {
  const lineEnd = body.indexOf('\r\n', after);
  const rest = body.toString('latin1', after, lineEnd < 0 ? body.length : lineEnd).trimEnd();
  if (rest === '--') return true;
  if (rest !== '' || lineEnd < 0) throw new BodyError('malformed delimiter line');
  return false;
}

/** The content of one part, when its headers say application/sdp. `from` is just after the delimiter. */
function sdpOfPart(body: Buffer, from: number, end: number): SdpSpan | undefined {
  const lineEnd = body.indexOf('\r\n', from);
  const blank = body.indexOf('\r\n\r\n', lineEnd);
  if (lineEnd < 0 || blank < 0 || blank > end) throw new BodyError('body part whose headers do not end');
  if (!isSdpPart(body.toString('latin1', lineEnd + 2, Math.max(lineEnd + 2, blank)))) return undefined;
  return { start: blank + 4, end: Math.max(blank + 4, end) };
}

/** Reads the header lines of one part (RFC 2046 §5.1) as strictly as those of a message. */
function isSdpPart(headers: string): boolean {
  const seen = new Map<string, string>();
  for (const line of headers === '' ? [] : headers.split('\r\n')) {
    // oxlint-disable-next-line no-control-regex -- half a line end and NUL are what must not pass
    const match = /^([\w-]+):[ \t]*([^\r\n\0]*)$/.exec(line);
    const name = match?.[1]?.toLowerCase().replace(/^c$/, 'content-type').replace(/^e$/, 'content-encoding');
    if (name === undefined || seen.has(name)) throw new BodyError('malformed header in a body part');
    seen.set(name, match?.[2] ?? '');
  }
  const type = mediaType(seen.get('content-type') ?? 'text/plain');
  if (type.startsWith('multipart/')) throw new BodyError('parts inside a part');
  if (type !== 'application/sdp') return false;
  const coding = seen.get('content-transfer-encoding') ?? 'binary';
  const isCoded = seen.has('content-encoding') || !/^(?:7bit|8bit|binary)[ \t]*$/i.test(coding);
  if (isCoded) throw new BodyError('encoded session description');
  return true;
}
