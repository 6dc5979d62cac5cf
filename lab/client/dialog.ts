// What a phone remembers of a call's signalling (RFC 3261 §12): identifiers, route set, where the other side is, and
// the next sequence number. Makes the requests inside the call.
import {
  createRequest,
  type HeaderPair,
  type SipMessage,
  type SipRequest,
  type SipResponse,
} from '../../sip/index.ts';

export interface RequestBody {
  readonly body: Buffer;
  readonly contentType: string;
}

export class Dialog {
  readonly callId: string;
  readonly #local: string;
  readonly #remote: string;
  readonly #routes: readonly string[];
  readonly #contact: string;
  #target: string;
  #localSequence: number;
  #remoteSequence: number;

  private constructor(parts: {
    callId: string;
    local: string;
    remote: string;
    routes: readonly string[];
    target: string;
    contact: string;
    localSequence: number;
    remoteSequence: number;
  }) {
    this.callId = parts.callId;
    this.#local = parts.local;
    this.#remote = parts.remote;
    this.#routes = parts.routes;
    this.#target = parts.target;
    this.#contact = parts.contact;
    this.#localSequence = parts.localSequence;
    this.#remoteSequence = parts.remoteSequence;
  }

  /** §12.1.2: the caller's side, from its INVITE and the 2xx. */
  static ofCaller(invite: SipRequest, response: SipResponse, contact: string): Dialog {
    return new Dialog({
      callId: invite.callId,
      local: invite.headers.get('from') ?? '',
      remote: response.headers.get('to') ?? '',
      routes: response.headers.getAll('record-route').reverse(),
      target: contactOf(response) ?? invite.uriText,
      contact,
      localSequence: invite.cseq.number,
      remoteSequence: -1,
    });
  }

  /** §12.1.1: the callee's side, from the INVITE and the tag it answers with. */
  static ofCallee(invite: SipRequest, localTag: string, contact: string, firstSequence: number): Dialog {
    return new Dialog({
      callId: invite.callId,
      local: `${invite.headers.get('to') ?? ''};tag=${localTag}`,
      remote: invite.headers.get('from') ?? '',
      routes: invite.headers.getAll('record-route'),
      target: contactOf(invite) ?? '',
      contact,
      localSequence: firstSequence,
      remoteSequence: invite.cseq.number,
    });
  }

  /** A request inside the call. ACK of an INVITE takes that INVITE's number, everything else the next one. */
  createRequest(method: string, via: string, extra: { ackOf?: number; body?: RequestBody } = {}): SipRequest {
    const cseq = extra.ackOf ?? (this.#localSequence += 1);
    const headers: HeaderPair[] = this.#routes.map((route) => ['Route', route]);
    if (method !== 'BYE' && method !== 'ACK') headers.push(['Contact', this.#contact]);
    return createRequest({
      method,
      uri: this.#target,
      via,
      from: this.#local,
      to: this.#remote,
      callId: this.callId,
      cseq,
      headers,
      ...extra.body,
    });
  }

  /** §12.2.2: false for a request that is older than one already seen. */
  accepts(request: SipRequest): boolean {
    if (request.cseq.number <= this.#remoteSequence) return false;
    this.#remoteSequence = request.cseq.number;
    return true;
  }

  /** A re-INVITE and its answer may move the other side (§12.2.1.2). */
  refreshTarget(message: SipMessage): void {
    this.#target = contactOf(message) ?? this.#target;
  }
}

function contactOf(message: SipMessage): string | undefined {
  const { contacts } = message;
  return contacts === '*' ? undefined : contacts[0]?.uriText;
}
