// Messages this side makes: requests, responses, the ACK of a refusal, CANCEL. RFC 3261 §8.1.1, §8.2.6, §9.1, §17.1.1.3.
// What belongs to the other end (Via, From, Call-ID, CSeq) is copied line by line as it was written.

import { HeaderList, makeLine } from './header-list.ts';
import type { HeaderLine } from './header-list.ts';
import { statelessTag } from './identifiers.ts';
import { SipRequest, SipResponse } from './message.ts';
import type { SipParseError } from './parse-error.ts';
import { reasonPhrase } from './reasons.ts';

/** A header to add: name and value. */
export type HeaderPair = readonly [name: string, value: string];

/** What a response gets beyond the copied lines. */
export interface ResponseParts {
  /** Added to To when the request has no tag there; needed on all but 100 (RFC 3261 §8.2.6.2). */
  readonly toTag?: string;
  readonly headers?: readonly HeaderPair[];
  readonly body?: Buffer;
  readonly contentType?: string;
  /** Copy Record-Route, as a response that makes a dialog does (RFC 3261 §12.1.1). */
  readonly isDialogForming?: boolean;
}

const COPIED = new Set(['via', 'from', 'to', 'call-id', 'cseq']);

/** A response to a request, by RFC 3261 §8.2.6. `reason` defaults to the code's usual phrase. */
export function createResponse(
  request: SipRequest,
  status: number,
  reason = reasonPhrase(status),
  parts: ResponseParts = {},
): SipResponse {
  const lines: HeaderLine[] = [];
  for (const line of request.headers.lines) {
    const isCopied =
      COPIED.has(line.key) ||
      (line.key === 'record-route' && parts.isDialogForming === true) ||
      (line.key === 'timestamp' && status === 100);
    if (isCopied) lines.push(line.key === 'to' ? taggedTo(request, line, parts.toTag) : line);
  }
  for (const [name, value] of parts.headers ?? []) lines.push(makeLine(name, value));
  return withBody(new SipResponse(status, reason, new HeaderList(lines)), parts.body, parts.contentType);
}

/** The answer to a request that did not parse, undefined where there must be none (no request readable, ACK). */
export function createErrorResponse(error: SipParseError): SipResponse | undefined {
  const { request } = error;
  if (request === undefined || request.method === 'ACK') return undefined;
  return createResponse(request, error.status, error.reason, { toTag: statelessTag(request) });
}

/** Parts of a new request; values are printed as given. */
export interface RequestParts {
  readonly method: string;
  readonly uri: string;
  readonly via: string;
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  readonly cseq: number;
  /** Hop limit, 70 when left out (RFC 3261 §8.1.1.6). */
  readonly maxForwards?: number;
  readonly headers?: readonly HeaderPair[];
  readonly body?: Buffer;
  readonly contentType?: string;
}

/** A request in the usual header order. */
export function createRequest(parts: RequestParts): SipRequest {
  const lines = [
    makeLine('Via', parts.via),
    makeLine('Max-Forwards', String(parts.maxForwards ?? 70)),
    makeLine('From', parts.from),
    makeLine('To', parts.to),
    makeLine('Call-ID', parts.callId),
    makeLine('CSeq', `${parts.cseq} ${parts.method}`),
    ...(parts.headers ?? []).map(([name, value]) => makeLine(name, value)),
  ];
  return withBody(
    new SipRequest(parts.method, parts.uri, new HeaderList(lines)),
    parts.body,
    parts.contentType,
  );
}

/** The ACK of a 300–699 answer, by RFC 3261 §17.1.1.3: To comes from the response, one Via, the INVITE's Route. */
export function createAck(invite: SipRequest, response: SipResponse): SipRequest {
  const to = response.headers.get('to') ?? invite.headers.get('to') ?? '';
  return derivedRequest(invite, 'ACK', makeLine('To', to));
}

/** The CANCEL of a request, by RFC 3261 §9.1. */
export function createCancel(request: SipRequest, headers: readonly HeaderPair[] = []): SipRequest {
  const cancel = derivedRequest(request, 'CANCEL', undefined);
  for (const [name, value] of headers) cancel.headers.append(name, value);
  return cancel;
}

function derivedRequest(request: SipRequest, method: string, to: HeaderLine | undefined): SipRequest {
  const lines = [makeLine('Via', request.headers.first('via') ?? ''), makeLine('Max-Forwards', '70')];
  for (const line of request.headers.lines) {
    if (line.key === 'to' && to !== undefined) lines.push(to);
    else if (line.key === 'cseq') lines.push(makeLine('CSeq', `${request.cseq.number} ${method}`));
    else if (line.key === 'route' || line.key === 'from' || line.key === 'to' || line.key === 'call-id') {
      lines.push(line);
    }
  }
  return withBody(new SipRequest(method, request.uriText, new HeaderList(lines)), undefined, undefined);
}

function withBody<T extends SipRequest | SipResponse>(message: T, body?: Buffer, contentType?: string): T {
  message.setBody(body ?? Buffer.alloc(0), contentType);
  return message;
}

// A malformed To is copied as it is: this may be the answer that says so.
function taggedTo(request: SipRequest, line: HeaderLine, tag: string | undefined): HeaderLine {
  if (tag === undefined || hasTag(request)) return line;
  return { key: 'to', raw: `${line.raw};tag=${tag}`, valueStart: line.valueStart };
}

function hasTag(request: SipRequest): boolean {
  try {
    return request.to.tag !== undefined;
  } catch {
    return true;
  }
}
