// The initiating end of a stream between servers, as a machine: events in, actions out (RFC 6120 §4 to §6, XEP-0178, XEP-0220).
// Goes on only inside TLS; proves our domain by SASL EXTERNAL where the peer offers it, by dialback where the caller gives
// keys; or asks the authoritative server about somebody's key. The certificate of the peer is the caller's to judge, before
// it says `secured`. Streams between servers go one way: a stanza that comes back on ours ends it.
import type { Element } from 'ltx';
import { NS_SASL, NS_TLS } from '../namespaces.ts';
import { conditionOf, isStreamError, STREAM_CLOSE, StreamError } from '../stream-error.ts';
import { offersTls } from '../stream-features.ts';
import type { StreamElement, StreamEvent } from '../stream-parser.ts';
import {
  type DialbackElement,
  type DialbackResult,
  isFeatures,
  type KeyQuestion,
  NS_DIALBACK,
  offersDialback,
  printResultQuestion,
  printServerHeader,
  printVerifyQuestion,
  readDialback,
} from './dialback.ts';
import { type DomainPair, pairKey } from './domain.ts';

/** What a stream is opened for. */
export type Purpose =
  | {
      readonly kind: 'stanzas';
      /** The key for a stream with this id; undefined: dialback is not allowed. */
      readonly key: ((id: string) => string) | undefined;
    }
  /** `question.from` is the domain that a peer claims; it is the domain that we have connected to. */
  | { readonly kind: 'verify'; readonly question: KeyQuestion };

export type InitiatingAction =
  | { readonly kind: 'write'; readonly text: string }
  | { readonly kind: 'start-tls' }
  | { readonly kind: 'restart' }
  /** Stanzas may be written now. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'verified'; readonly result: DialbackResult }
  | { readonly kind: 'failed'; readonly reason: OutgoingFailure };

/** Why a stream did not come about, or ended; a closed set. */
export type OutgoingFailure =
  /** The peer knows no such domain, or wants nothing of us. */
  | 'refused'
  /** It would not believe who we are. */
  | 'not-believed'
  /** Its certificate is not trusted or does not speak for its domain. */
  | 'certificate'
  | 'no-tls'
  | 'protocol'
  /** It cannot be reached, or not in time. */
  | 'unreachable'
  | 'closed';

type Phase = 'clear' | 'asked-tls' | 'secured' | 'external' | 'dialback' | 'signed-in' | 'ready' | 'ended';

/** Conditions with which a server says that it does not want this domain, now or ever. */
const REFUSALS: ReadonlySet<string> = new Set([
  'host-unknown',
  'host-gone',
  'not-authorized',
  'policy-violation',
  'invalid-from',
]);

export class InitiatingServerStream {
  readonly #pair: DomainPair;
  readonly #purpose: Purpose;
  #phase: Phase = 'clear';
  #id: string | undefined;

  constructor(pair: DomainPair, purpose: Purpose) {
    this.#pair = pair;
    this.#purpose = purpose;
  }

  /** The header that begins each stream; the caller brings a fresh parser. */
  begin(): string {
    this.#id = undefined;
    return printServerHeader(this.#pair);
  }

  /** TLS is up and the peer's certificate is good enough. */
  secured(): string {
    this.#phase = 'secured';
    return this.begin();
  }

  handle(event: StreamEvent): readonly InitiatingAction[] {
    if (this.#phase === 'ended') return [];
    if (event.kind === 'close') return this.#fail(this.#phase === 'ready' ? 'closed' : 'refused');
    if (event.kind === 'open') {
      this.#id = event.header.id;
      return [];
    }
    try {
      return this.#element(event);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      return this.#fail('protocol');
    }
  }

  #element(event: StreamElement): readonly InitiatingAction[] {
    const { local, namespace, element } = event;
    if (isStreamError(local, namespace))
      return this.#fail(REFUSALS.has(conditionOf(element)) ? 'refused' : 'closed');
    if (isFeatures(local, namespace)) return this.#features(element);
    if (namespace === NS_TLS) return this.#tls(local);
    if (namespace === NS_SASL && this.#phase === 'external') return this.#signIn(local);
    if (namespace === NS_DIALBACK) return this.#dialback(local, element);
    throw new StreamError('unsupported-stanza-type', 'order', 'the server spoke out of order');
  }

  #features(features: Element): readonly InitiatingAction[] {
    switch (this.#phase) {
      case 'clear':
        if (!offersTls(features)) return this.#fail('no-tls');
        this.#phase = 'asked-tls';
        return [write(`<starttls xmlns="${NS_TLS}"/>`)];
      case 'secured':
        return this.#prove(features);
      case 'signed-in':
        this.#phase = 'ready';
        return [{ kind: 'ready' }];
      default:
        return [];
    }
  }

  #tls(local: string): readonly InitiatingAction[] {
    if (local === 'proceed' && this.#phase === 'asked-tls') return [{ kind: 'start-tls' }];
    return this.#fail('no-tls');
  }

  #prove(features: Element): readonly InitiatingAction[] {
    if (this.#purpose.kind === 'verify') {
      this.#phase = 'dialback';
      const { from, to, id, key } = this.#purpose.question;
      return [write(printVerifyQuestion({ from: to, to: from, id, key }))];
    }
    if (!offersExternal(features))
      return offersDialback(features) ? this.#showKey() : this.#fail('not-believed');
    this.#phase = 'external';
    const name = Buffer.from(this.#pair.from).toString('base64');
    return [write(`<auth xmlns="${NS_SASL}" mechanism="EXTERNAL">${name}</auth>`)];
  }

  #showKey(): readonly InitiatingAction[] {
    if (this.#purpose.kind !== 'stanzas' || this.#purpose.key === undefined)
      return this.#fail('not-believed');
    if (this.#id === undefined || this.#id === '') return this.#fail('protocol');
    this.#phase = 'dialback';
    return [write(printResultQuestion(this.#pair, this.#purpose.key(this.#id)))];
  }

  #signIn(local: string): readonly InitiatingAction[] {
    if (local === 'failure') return this.#showKey();
    if (local !== 'success') return this.#fail('protocol');
    this.#phase = 'signed-in';
    const text = this.begin();
    return [{ kind: 'restart' }, write(text)];
  }

  #dialback(local: string, element: Element): readonly InitiatingAction[] {
    const answer = readDialback(local, element);
    if (answer === undefined || this.#phase !== 'dialback') return this.#fail('protocol');
    const isMine = pairKey({ from: answer.to, to: answer.from }) === pairKey(this.#pair);
    if (!isMine) return this.#fail('protocol');
    if (this.#purpose.kind === 'verify') return this.#verified(answer, this.#purpose.question);
    if (answer.name !== 'result') return this.#fail('protocol');
    if (answer.type !== 'valid') return this.#fail('not-believed');
    this.#phase = 'ready';
    return [{ kind: 'ready' }];
  }

  /** The answer must be about the stream that was asked about. */
  #verified(answer: DialbackElement, question: KeyQuestion): readonly InitiatingAction[] {
    if (answer.name !== 'verify' || answer.id !== question.id) return this.#fail('protocol');
    this.#phase = 'ended';
    const result = answer.type === 'valid' || answer.type === 'invalid' ? answer.type : 'item-not-found';
    return [{ kind: 'verified', result }, write(STREAM_CLOSE)];
  }

  #fail(reason: OutgoingFailure): readonly InitiatingAction[] {
    this.#phase = 'ended';
    return [{ kind: 'failed', reason }];
  }
}

function offersExternal(features: Element): boolean {
  const list = features.getChild('mechanisms', NS_SASL)?.getChildren('mechanism') ?? [];
  return list.some((mechanism) => mechanism.getText().trim() === 'EXTERNAL');
}

function write(text: string): InitiatingAction {
  return { kind: 'write', text };
}
