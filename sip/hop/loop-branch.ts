// Branches that tell a loop from a spiral (RFC 3261 §16.6 step 8, RFC 5393 §4.2): a unique part, then a hash over what
// decides where a request goes. The same hash in one of our own Vias means that nothing changed since: a loop.
// The hash guards nobody against a forger: who forges one only gets his own request refused.
//
//   z9hG4bK<unique>.<hash, 8 hex digits>
import type { HeaderList } from '../header-list.ts';
import type { SipRequest } from '../message.ts';
import { MAGIC_COOKIE, parseVia } from '../via.ts';
import { isSentBy } from './via-stamp.ts';

/** Makes branches; `unique` is drawn once per process so that a restarted hop never repeats one. */
export class BranchMaker {
  readonly #prefix: string;
  #count = 0;

  constructor(unique: string) {
    this.#prefix = `${MAGIC_COOKIE}${unique}`;
  }

  next(loopHash: string): string {
    this.#count += 1;
    return `${this.#prefix}${this.#count.toString(36)}.${loopHash}`;
  }
}

/** The hash of what routes this request: Request-URI, Route, dialog ids, CSeq. Take it on receipt, before edits. */
export function loopHash(request: SipRequest): string {
  const { headers } = request;
  let hash = fnv(0x811c_9dc5, request.uriText);
  hash = fnvLines(hash, headers, 'route');
  for (const key of ['from', 'to', 'call-id', 'cseq', 'proxy-require'])
    hash = fnv(hash, headers.get(key) ?? '');
  return (hash >>> 0).toString(16).padStart(8, '0');
}

/** Whether this request was here before unchanged; `host` in lower case. Throws SipParseError on a malformed Via. */
export function isLooped(request: SipRequest, host: string, ports: readonly number[], hash: string): boolean {
  let others = 0;
  for (const line of request.headers.lines) if (line.key === 'via') others += 1;
  if (others < 2 && !(request.headers.get('via') ?? '').includes(',')) return false;
  return request.headers.getAll('via').some((value) => {
    if (!value.includes(hash)) return false;
    const via = parseVia(value);
    return via.branch?.endsWith(`.${hash}`) === true && ports.some((port) => isSentBy(via, host, port));
  });
}

function fnvLines(hash: number, headers: HeaderList, key: string): number {
  for (const line of headers.lines) if (line.key === key) hash = fnv(hash, line.raw);
  return hash;
}

/** FNV-1a, 32 bits. */
function fnv(hash: number, text: string): number {
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  return Math.imul(hash ^ 0x0a, 0x0100_0193);
}
