// What can go wrong on a link between edge and core, classified where it fails. `message` is for the operator's log
// and status page; a peer is never told more than `code`.

export type LinkErrorCode =
  | 'timeout' // no answer in time
  | 'closed' // the link went away, or was closed by us
  | 'refused' // the peer's handler, or its gate, said no
  | 'busy' // a limit of ours was hit: try again later
  | 'unknown-type' // the peer has no handler for this message
  | 'unreachable' // no TCP connection
  | 'identity' // the peer is not who was pinned
  | 'protocol'; // the peer broke the protocol

/** An expected failure of a link. `retry` says whether trying again without a change by a person can help. */
export class LinkError extends Error {
  readonly code: LinkErrorCode;
  readonly retry: boolean;

  constructor(code: LinkErrorCode, message: string, options: { cause?: unknown; retry?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LinkError';
    this.code = code;
    this.retry = options.retry ?? code !== 'identity';
  }
}

/** The words for any thrown value; link errors keep theirs. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Words that may have come from a peer, fit for a log line and a status page. */
export function peerWords(error: Error): string {
  return error.message.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
