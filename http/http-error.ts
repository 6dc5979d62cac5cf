// The one error of this room (RFC 9110 §15): a message that is refused, or a connection that failed.
// `status` is what the peer is told, `reason` is a word from a closed set for counters and logs, and the
// message names the rule, never the peer's bytes.

/** Why a message was refused or a connection given up: the closed set that counters and logs may use. */
export type HttpReason =
  | 'syntax'
  | 'bare-cr-or-lf'
  | 'control-character'
  | 'folded-header'
  | 'header-name'
  | 'framing'
  | 'chunk'
  | 'trailer'
  | 'version'
  | 'method'
  | 'target'
  | 'host'
  | 'expectation'
  | 'transfer-coding'
  | 'head-too-large'
  | 'target-too-long'
  | 'too-many-headers'
  | 'body-too-large'
  | 'head-timeout'
  | 'idle-timeout'
  | 'body-timeout'
  | 'write-timeout'
  | 'response-timeout'
  | 'misdirected'
  | 'lane'
  | 'truncated'
  | 'unexpected-data'
  | 'bad-response'
  | 'cancelled'
  | 'connection-lost'
  | 'no-next-hop'
  | 'overloaded'
  | 'draining'
  | 'internal';

/** A refused message or a failed connection; `status` is the answer for the peer that is waiting for one. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly reason: HttpReason;

  constructor(status: number, reason: HttpReason, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
    this.reason = reason;
  }
}

/** The reason phrase of a status (RFC 9110 §15), or an empty string, which RFC 9112 §4 allows. */
export function reasonPhrase(status: number): string {
  return PHRASES[status] ?? '';
}

const PHRASES: Readonly<Record<number, string>> = {
  100: 'Continue',
  200: 'OK',
  201: 'Created',
  202: 'Accepted',
  204: 'No Content',
  206: 'Partial Content',
  301: 'Moved Permanently',
  302: 'Found',
  303: 'See Other',
  304: 'Not Modified',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
};
