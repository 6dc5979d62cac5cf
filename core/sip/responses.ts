// Answers on their way back through core (RFC 3261 §16.7): hop headers off, failures in the proxy's own words.
import {
  SipParseError,
  type ClientFailure,
  type ServerTransaction,
  type SipResponse,
} from '../../sip/index.ts';

/** Takes our Via off and hands the response to the request's transaction; 100 is hop by hop. */
export function passBack(
  server: ServerTransaction,
  response: SipResponse,
  count: (event: string, reason?: string) => void,
): void {
  if (response.status === 100) return;
  response.headers.removeFirst('Via');
  if (response.headers.has('Via')) server.respond(response);
  else count('response-dropped', 'no-via');
}

/** RFC 3261 §16.7 step 5, §16.9: 408 for silence, 503 for a way that is gone. */
export function replyFailure(server: ServerTransaction, failure: ClientFailure): void {
  if (failure === 'timeout') server.reply(408);
  else server.reply(503, undefined, retryAfter(5));
}

/** Response parts with a Retry-After. */
export function retryAfter(seconds: number): { headers: [string, string][] } {
  return { headers: [['Retry-After', String(seconds)]] };
}

/**
 * Whether everything that core will read of a response can be read: its lists are cut and its addresses parsed here,
 * once, so that nothing after this can fail half-way.
 */
export function isReadable(response: SipResponse): boolean {
  try {
    void response.contacts;
    void response.addresses('Record-Route');
    void response.headers.getAll('Via');
    return true;
  } catch (error) {
    if (error instanceof SipParseError) return false;
    throw error;
  }
}
