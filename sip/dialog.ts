// Dialogs, RFC 3261 §12: what a user agent keeps to send and take requests inside one, and the key under which a proxy
// can watch one. No transport, no timers; CSeq order is checked here (§12.2.2).

import { createRequest } from './build.ts';
import type { HeaderPair } from './build.ts';
import type { SipMessage, SipRequest, SipResponse } from './message.ts';
import { parseNameAddr } from './name-addr.ts';
import { SipParseError } from './parse-error.ts';
import { isLooseRoute } from './uri.ts';

/** Methods whose Contact moves the remote target (§12.2, RFC 3311, RFC 6665, RFC 3515). */
const TARGET_REFRESH = new Set(['INVITE', 'UPDATE', 'SUBSCRIBE', 'NOTIFY', 'REFER']);

/** A dialog as a proxy sees it: the same key for both directions. */
export function dialogKey(callId: string, tag: string, otherTag: string): string {
  return tag < otherTag ? `${callId} ${tag} ${otherTag}` : `${callId} ${otherTag} ${tag}`;
}

/** Key of the dialog a message belongs to, undefined when it has no To tag yet. */
export function dialogKeyOf(message: SipMessage): string | undefined {
  const toTag = message.to.tag;
  return toTag === undefined ? undefined : dialogKey(message.callId, message.from.tag ?? '', toTag);
}

/** Where a dialog stands. Addresses are header values, routes `<uri>` values from us to the peer. */
export interface DialogState {
  readonly callId: string;
  readonly localTag: string;
  readonly remoteTag: string;
  readonly local: string;
  readonly remote: string;
  readonly routes: readonly string[];
  remoteTarget: string;
  localCSeq: number;
  remoteCSeq: number | undefined;
}

/** Parts of a request inside a dialog that the caller gives. */
export interface DialogRequestParts {
  readonly via: string;
  readonly headers?: readonly HeaderPair[];
  readonly body?: Buffer;
  readonly contentType?: string;
}

/** One dialog of a user agent. */
export class Dialog {
  readonly state: DialogState;

  constructor(state: DialogState) {
    this.state = state;
  }

  /** The dialog of the caller, from its request and a 101–299 response with a To tag (§12.1.2). */
  static ofCaller(request: SipRequest, response: SipResponse): Dialog {
    return new Dialog({
      callId: request.callId,
      localTag: request.from.tag ?? '',
      remoteTag: response.to.tag ?? '',
      local: request.headers.get('from') ?? '',
      remote: response.headers.get('to') ?? '',
      routes: response.headers.getAll('record-route').toReversed(),
      remoteTarget: contactOf(response),
      localCSeq: request.cseq.number,
      remoteCSeq: undefined,
    });
  }

  /** The dialog of the callee, from the request it received and the tag it answers with (§12.1.1). */
  static ofCallee(request: SipRequest, localTag: string, firstCSeq = 0): Dialog {
    const to = request.headers.get('to') ?? '';
    return new Dialog({
      callId: request.callId,
      localTag,
      remoteTag: request.from.tag ?? '',
      local: request.to.tag === undefined ? `${to};tag=${localTag}` : to,
      remote: request.headers.get('from') ?? '',
      routes: request.headers.getAll('record-route'),
      remoteTarget: contactOf(request),
      localCSeq: firstCSeq,
      remoteCSeq: request.cseq.number,
    });
  }

  get key(): string {
    return dialogKey(this.state.callId, this.state.localTag, this.state.remoteTag);
  }

  /** A request inside the dialog with the next CSeq (§12.2.1.1). */
  request(method: string, parts: DialogRequestParts): SipRequest {
    this.state.localCSeq++;
    return this.#build(method, this.state.localCSeq, parts);
  }

  /** The ACK of a 2xx: a request of its own with the INVITE's number (§13.2.2.4). */
  ack(inviteCSeq: number, parts: DialogRequestParts): SipRequest {
    return this.#build('ACK', inviteCSeq, parts);
  }

  /** Where the next request goes first: the topmost route, or the remote target. */
  get nextHop(): string {
    const [first] = this.state.routes;
    return first === undefined ? this.state.remoteTarget : parseNameAddr(first).uriText;
  }

  /** Takes a request of the peer: checks its CSeq and moves the target. Throws SipParseError 500 when out of order. */
  accept(request: SipRequest): void {
    const { number } = request.cseq;
    const { remoteCSeq } = this.state;
    const isFollowUp = request.method === 'ACK' || request.method === 'CANCEL';
    if (remoteCSeq !== undefined && number <= remoteCSeq && !isFollowUp) {
      throw new SipParseError('cseq', 'CSeq Out Of Order', 500);
    }
    if (!isFollowUp) this.state.remoteCSeq = number;
    if (TARGET_REFRESH.has(request.method)) this.refreshTarget(request);
  }

  /** Moves the remote target to the Contact of a target-refresh request or its 2xx. */
  refreshTarget(message: SipMessage): void {
    if (message.headers.has('contact')) this.state.remoteTarget = contactOf(message);
  }

  // §12.2.1.1: with a strict router first, it becomes the Request-URI and the target ends the route.
  #build(method: string, cseq: number, parts: DialogRequestParts): SipRequest {
    const { routes, remoteTarget, local, remote, callId } = this.state;
    const [first, ...others] = routes;
    const isStrict = first !== undefined && !isLooseRoute(parseNameAddr(first).uri);
    const route = isStrict ? [...others, `<${remoteTarget}>`] : routes;
    const { headers, ...rest } = parts;
    return createRequest({
      ...rest,
      method,
      uri: isStrict ? parseNameAddr(first).uriText : remoteTarget,
      from: local,
      to: remote,
      callId,
      cseq,
      headers: [...route.map((value): HeaderPair => ['Route', value]), ...(headers ?? [])],
    });
  }
}

function contactOf(message: SipMessage): string {
  const { contacts } = message;
  const first = contacts === '*' ? undefined : contacts[0];
  if (first === undefined) throw new SipParseError('address', 'Missing Contact');
  return first.uriText;
}
