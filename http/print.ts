// Heads as bytes (RFC 9112 §2-6): the only place where framing is written. What goes in was checked by the parser or
// by HeaderList, so a line break can only be one of ours.
import { isToken } from './header-list.ts';
import type { BodyLength, OutgoingRequest, OutgoingResponse } from './message.ts';

const LINE_BREAK_OR_SPACE = /[\u0000-\u0020\u007f-\uffff]/;
const LINE_BREAK = /[\u0000-\u0008\u000a-\u001f\u007f]|[^\u0000-\u00ff]/;

/** The head of a request with its framing; `close` says that this connection ends afterwards. */
export function printRequestHead(head: OutgoingRequest, body: BodyLength, close: boolean): string {
  if (!isToken(head.method) || LINE_BREAK_OR_SPACE.test(head.target) || LINE_BREAK_OR_SPACE.test(head.host)) {
    throw new RangeError('request line cannot be printed');
  }
  const connection = close ? 'Connection: close\r\n' : '';
  return `${head.method} ${head.target} HTTP/1.1\r\nHost: ${head.host}\r\n${head.headers.print()}${framingLine(body)}${connection}\r\n`;
}

/** The head of a response with its framing; `close` says that this connection ends afterwards. */
export function printResponseHead(head: OutgoingResponse, body: BodyLength, close: boolean): string {
  if (LINE_BREAK.test(head.reasonPhrase)) throw new RangeError('status line cannot be printed');
  const connection = close ? 'Connection: close\r\n' : '';
  return `HTTP/1.1 ${head.status} ${head.reasonPhrase}\r\n${head.headers.print()}${framingLine(body)}${connection}\r\n`;
}

function framingLine(body: BodyLength): string {
  if (typeof body === 'number') return `Content-Length: ${body}\r\n`;
  return body === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : '';
}
