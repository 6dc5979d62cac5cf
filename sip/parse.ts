// Bytes to SIP message, RFC 3261 §7, §25. One scan over the head; typed values are parsed later, except the
// essential ones (Via, From, To, CSeq, Call-ID, Request-URI, Max-Forwards), which are checked before anyone sees
// the message. Line ends are CRLF only; folded lines are unfolded here, once, so that no later reader and no later
// hop can see another header in them (RFC 3261 §7.3.1 makes both forms equal). Trusts nothing.

import { parseDecimal, skipBlank, skipBlankBack } from './characters.ts';
import { HeaderList, lineValue } from './header-list.ts';
import type { HeaderLine } from './header-list.ts';
import { headerName, onceBitOf } from './header-names.ts';
import type { HeaderName } from './header-names.ts';
import { SipRequest } from './message.ts';
import type { SipResponse } from './message.ts';
import { SipParseError } from './parse-error.ts';
import { parseStartLine } from './start-line.ts';

/** Limits of one message. */
export interface ParseLimits {
  /** Head and body together, in bytes. */
  readonly maxMessageBytes: number;
  readonly maxHeaderLines: number;
}

/** What the protocol itself suggests: Expressway's 32 KiB (mra-wire §3.6), and lines enough for a long route. */
export const DEFAULT_LIMITS: ParseLimits = { maxMessageBytes: 32_768, maxHeaderLines: 256 };

/** Longest Call-ID accepted, in bytes: it is a key of dialog tables. */
export const MAX_CALL_ID = 255;

/** A head whose message can be framed. `fault` says what else is wrong with it. */
export interface ParsedHead {
  readonly message: SipRequest | SipResponse;
  /** Value of Content-Length, undefined when there is none. */
  readonly contentLength: number | undefined;
  readonly fault: SipParseError | undefined;
}

const MANDATORY = ['From', 'To', 'Call-ID', 'CSeq'].reduce((mask, name) => mask | onceBitOf(name), 0);
const CONTENT_LENGTH_BIT = onceBitOf('Content-Length');

/** Parses one message that fills a datagram or buffer. Throws SipParseError. */
export function parseMessage(bytes: Buffer, limits: ParseLimits = DEFAULT_LIMITS): SipRequest | SipResponse {
  if (bytes.length > limits.maxMessageBytes) throw new SipParseError('too-long', 'Message Too Large', 513);
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd < 0) throw new SipParseError('line-end', 'Head Without End');
  const { message, contentLength, fault } = parseHead(bytes.toString('latin1', 0, headEnd + 2), limits);
  const bodyStart = headEnd + 4;
  const bodyEnd = bodyStart + (contentLength ?? bytes.length - bodyStart);
  // §18.3: bytes after the body are discarded, a body cut short is an error.
  if (fault === undefined && bodyEnd > bytes.length) {
    throw withRequest(new SipParseError('body', 'Body Shorter Than Content-Length'), message);
  }
  if (fault !== undefined) throw fault;
  message.attachBody(bytes.subarray(bodyStart, bodyEnd));
  return message;
}

/**
 * Parses start line and header lines; `head` ends with the line end of the last header.
 * Throws when the message cannot even be framed; other faults are handed back beside the message.
 */
export function parseHead(head: string, limits: ParseLimits): ParsedHead {
  if (head.includes('\0')) throw new SipParseError('line-end', 'NUL In Head');
  const startEnd = lineEnd(head, 0);
  const scan = scanLines(head, startEnd + 2, limits.maxHeaderLines);
  const raw = scan.wasFolded ? undefined : head;
  const started = parseStartLine(head.slice(0, startEnd), new HeaderList(scan.lines), raw);
  const fault = started.fault ?? scan.fault ?? essentialFault(started.message, scan);
  if (fault !== undefined) withRequest(fault, started.message);
  return { message: started.message, contentLength: scan.contentLength, fault };
}

interface Scan {
  readonly lines: HeaderLine[];
  seen: number;
  sawVia: boolean;
  wasFolded: boolean;
  contentLength: number | undefined;
  fault: SipParseError | undefined;
}

function scanLines(head: string, at: number, maxHeaderLines: number): Scan {
  const lines: HeaderLine[] = [];
  const scan: Scan = {
    lines,
    seen: 0,
    sawVia: false,
    wasFolded: false,
    contentLength: undefined,
    fault: undefined,
  };
  while (at < head.length) {
    let end = lineEnd(head, at);
    let raw = head.slice(at, end);
    if (isFoldAt(head, end + 2)) {
      ({ raw, end } = unfold(head, at, end));
      scan.wasFolded = true;
    }
    if (lines.length === maxHeaderLines) throw new SipParseError('header-count', 'Too Many Header Lines');
    addLine(scan, raw);
    at = end + 2;
  }
  return scan;
}

function addLine(scan: Scan, raw: string): void {
  const colon = raw.indexOf(':');
  const nameEnd = colon > 0 && isBlankAt(raw, colon - 1) ? skipBlankBack(raw, colon) : colon;
  if (nameEnd <= 0) throw new SipParseError('header-name', 'Malformed Header Line');
  const name = headerName(raw.slice(0, nameEnd));
  const line = { key: name.key, raw, valueStart: colon + 1 };
  scan.lines.push(line);
  if (name.key === 'via') scan.sawVia = true;
  if (name.onceBit !== 0) noteOnce(scan, name, line);
}

function noteOnce(scan: Scan, name: HeaderName, line: HeaderLine): void {
  if (name.onceBit === CONTENT_LENGTH_BIT) noteContentLength(scan, line);
  // §7.3: a header that may appear once and appears twice has no meaning both ends agree on.
  else if ((scan.seen & name.onceBit) !== 0) {
    scan.fault ??= new SipParseError('duplicate-header', 'Duplicate Header');
  }
  scan.seen |= name.onceBit;
}

// Content-Length frames the stream, so every doubt about it is fatal: twice, signed, empty, a list, too long, folded.
function noteContentLength(scan: Scan, line: HeaderLine): void {
  const length = parseDecimal(lineValue(line));
  const isRepeated = scan.contentLength !== undefined;
  if (length < 0 || isRepeated) throw new SipParseError('content-length', 'Malformed Content-Length');
  scan.contentLength = length;
}

/** Index of the CRLF that ends the line at `at`; bare CR and bare LF are refused. */
function lineEnd(head: string, at: number): number {
  const cr = head.indexOf('\r', at);
  if (cr < 0 || head.indexOf('\n', at) !== cr + 1) throw new SipParseError('line-end', 'Malformed Line End');
  return cr;
}

function unfold(head: string, at: number, firstEnd: number): { raw: string; end: number } {
  const pieces = [head.slice(at, skipBlankBack(head, firstEnd, at))];
  let end = firstEnd;
  while (isFoldAt(head, end + 2)) {
    const start = skipBlank(head, end + 2);
    end = lineEnd(head, end + 2);
    if (start < end) pieces.push(head.slice(start, skipBlankBack(head, end, start)));
  }
  const raw = pieces.join(' ');
  if (/^(?:content-length|l)[ \t]*:/i.test(raw)) throw new SipParseError('folding', 'Folded Content-Length');
  return { raw, end };
}

function isFoldAt(head: string, at: number): boolean {
  return at < head.length && isBlankAt(head, at);
}

function isBlankAt(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === 0x20 || code === 0x09;
}

// What every element relies on, checked before the message is handed out; parsed values stay cached in it.
function essentialFault(message: SipRequest | SipResponse, scan: Scan): SipParseError | undefined {
  if ((scan.seen & MANDATORY) !== MANDATORY || !scan.sawVia) {
    return new SipParseError('missing-header', 'Missing Mandatory Header');
  }
  try {
    checkEssentials(message);
    return undefined;
  } catch (error) {
    if (error instanceof SipParseError) return error;
    throw error;
  }
}

function checkEssentials(message: SipRequest | SipResponse): void {
  const { callId, cseq } = message;
  if (callId === '' || callId.includes(' ')) throw new SipParseError('value', 'Malformed Call-ID');
  if (callId.length > MAX_CALL_ID) throw new SipParseError('too-long', 'Call-ID Too Long');
  void message.topVia;
  void message.from;
  void message.to;
  if (!(message instanceof SipRequest)) return;
  if (cseq.method !== message.method) throw new SipParseError('cseq', 'CSeq Method Mismatch');
  void message.maxForwards;
  const { uri } = message;
  // §19.1.1: a Request-URI carries no headers part.
  if (uri.kind === 'sip' && uri.headers !== undefined)
    throw new SipParseError('uri', 'Headers In Request-URI');
}

function withRequest(fault: SipParseError, message: SipRequest | SipResponse): SipParseError {
  if (message instanceof SipRequest && message.headers.has('via')) fault.request = message;
  return fault;
}
