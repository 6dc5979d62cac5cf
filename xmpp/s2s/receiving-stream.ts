// The receiving end of a stream between servers, as a machine: events in, actions out (RFC 6120 §4 to §6, XEP-0178, XEP-0220).
// Before TLS it takes nothing but `<starttls/>`; after TLS nothing but proofs of a domain: SASL EXTERNAL where the certificate
// covers it, dialback where the operator allows it. Then stanzas, each of which must belong to a proven pair.
// Trusts the caller's word about the certificate and about keys; nothing that the peer says of itself.
import { NS_SASL, NS_TLS } from '../namespaces.ts';
import { decodeSasl } from '../sasl.ts';
import { isStreamError, printStreamError, STREAM_CLOSE, StreamError } from '../stream-error.ts';
import type { StreamCondition } from '../stream-error.ts';
import { STARTTLS_FEATURES } from '../stream-features.ts';
import type { StreamHeader } from '../stream-header.ts';
import type { StreamElement, StreamEvent } from '../stream-parser.ts';
import type { Covers } from './connection-limits.ts';
import {
  DIALBACK_FEATURE,
  type DialbackElement,
  type DialbackResult,
  type KeyQuestion,
  NS_DIALBACK,
  printDialbackAnswer,
  printServerHeader,
  readDialback,
} from './dialback.ts';
import { canonicalDomain, type DomainPair, pairKey } from './domain.ts';
import { readStanza, type ServerStanza } from './stanza.ts';

/** What a pair of domains may do: prove itself by certificate only, by dialback too, or nothing, and why. */
export type PairPolicy = 'certificate' | 'dialback' | 'denied' | 'unknown' | 'unavailable';

export interface ReceivingOptions {
  /** A fresh id that nobody can guess (RFC 6120 §4.7.3); dialback keys depend on it. */
  readonly newId: () => string;
  /** Who we say we are to a peer that does not say whom it wants. */
  readonly name: string;
  /** `pair.from` is the peer's domain, `pair.to` ours. */
  readonly policyOf: (pair: DomainPair) => PairPolicy;
  readonly serves: (domain: string) => boolean;
  /** Whether a key is ours; `from` is our domain, `to` the peer's. */
  readonly isOurKey: (question: KeyQuestion) => boolean;
  /** Pairs that one stream may carry. */
  readonly maxPairs: number;
  /** Keys of ours that one stream may ask about, and proofs it may fail. */
  readonly maxQuestions: number;
}

export type ReceivingInput =
  | { readonly kind: 'event'; readonly event: StreamEvent }
  /** TLS is up; the parser is fresh. */
  | { readonly kind: 'secured'; readonly covers: Covers }
  /** What the authoritative server said of a key. */
  | { readonly kind: 'verified'; readonly question: DialbackElement; readonly result: DialbackResult }
  | { readonly kind: 'end'; readonly condition: StreamCondition; readonly text: string };

export type Proof = 'certificate' | 'dialback';

export type ReceivingAction =
  | { readonly kind: 'write'; readonly text: string }
  | { readonly kind: 'start-tls' }
  /** The peer begins a new stream: bring a fresh parser. */
  | { readonly kind: 'restart' }
  | { readonly kind: 'verify'; readonly question: DialbackElement }
  | { readonly kind: 'proven'; readonly pair: DomainPair; readonly by: Proof }
  | { readonly kind: 'stanza'; readonly stanza: ServerStanza }
  /** Write this, then close the connection. */
  | { readonly kind: 'end'; readonly text: string }
  | { readonly kind: 'count'; readonly event: ReceivingCount };

export type ReceivingCount =
  | 'domain-unknown'
  | 'partner-denied'
  | 'no-way-inside'
  | 'external-refused'
  | 'dialback-refused'
  | 'dialback-invalid'
  | 'key-forged'
  | 'pairs-full'
  | 'spoofed'
  | 'out-of-order'
  | 'peer-error';

type Phase = 'clear' | 'tls-due' | 'secured' | 'open' | 'restarting' | 'ended';

export class ReceivingStream {
  readonly #options: ReceivingOptions;
  readonly #pairs = new Map<string, DomainPair>();
  /** Keys that the authoritative server is being asked about. */
  readonly #asking = new Set<string>();
  #phase: Phase = 'clear';
  #covers: Covers = () => false;
  #id = '';
  /** Our header has been sent on the current stream. */
  #headed = false;
  /** What the peer's header said, once it has been accepted. */
  #peer: string | undefined;
  #ours = '';
  #mayUseExternal = false;
  #questions = 0;

  constructor(options: ReceivingOptions) {
    this.#options = options;
  }

  get isProven(): boolean {
    return this.#pairs.size > 0;
  }

  handle(input: ReceivingInput): readonly ReceivingAction[] {
    if (this.#phase === 'ended') return [];
    try {
      return this.#dispatch(input);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      const spoofed = error.fault === 'address';
      return [count(spoofed ? 'spoofed' : 'out-of-order'), ...this.#end(error.condition, error.message)];
    }
  }

  #dispatch(input: ReceivingInput): readonly ReceivingAction[] {
    switch (input.kind) {
      case 'secured':
        this.#phase = 'secured';
        this.#headed = false;
        this.#covers = input.covers;
        return [];
      case 'verified':
        return this.#verified(input.question, input.result);
      case 'end':
        return this.#end(input.condition, input.text);
      default:
        return this.#event(input.event);
    }
  }

  #event(event: StreamEvent): readonly ReceivingAction[] {
    if (this.#phase === 'tls-due')
      throw new StreamError('policy-violation', 'order', 'nothing may follow starttls in the clear');
    if (event.kind === 'close') {
      this.#phase = 'ended';
      return [{ kind: 'end', text: this.#headed ? STREAM_CLOSE : '' }];
    }
    if (event.kind === 'open') return this.#open(event.header);
    if (isStreamError(event.local, event.namespace)) return this.#peerError();
    if (this.#phase === 'clear') return this.#startTls(event);
    if (this.#phase !== 'open')
      throw new StreamError('policy-violation', 'order', 'the server spoke before the stream was open');
    if (event.namespace === NS_SASL) return this.#signIn(event);
    if (event.namespace === NS_DIALBACK) return this.#dialback(event);
    return this.#stanza(event);
  }

  #peerError(): readonly ReceivingAction[] {
    this.#phase = 'ended';
    return [count('peer-error'), { kind: 'end', text: this.#headed ? STREAM_CLOSE : '' }];
  }

  /** RFC 6120 §4.7: our header, then what there is to choose from. */
  #open(header: StreamHeader): readonly ReceivingAction[] {
    if (this.#headed) throw new StreamError('bad-format', 'order', 'the stream is open already');
    this.#id = this.#options.newId();
    const to = canonicalDomain(header.to);
    const from = canonicalDomain(header.from);
    const opening = printServerHeader({
      from: to !== undefined && this.#options.serves(to) ? to : this.#options.name,
      to: from,
      id: this.#id,
      lang: 'en',
    });
    this.#headed = true;
    if (this.#phase === 'clear') return [write(opening + STARTTLS_FEATURES)];
    const refused = this.#refuse(header, from, to);
    if (refused !== undefined) return [write(opening), ...refused];
    return [write(opening + this.#features())];
  }

  /** After TLS: whom the peer says it is, and whom it wants. */
  #refuse(
    header: StreamHeader,
    from: string | undefined,
    to: string | undefined,
  ): readonly ReceivingAction[] | undefined {
    const wasOpen = this.#phase === 'restarting';
    if (to === undefined || !this.#options.serves(to))
      return [count('domain-unknown'), ...this.#end('host-unknown', 'this domain does not federate here')];
    if (header.from !== undefined && from === undefined)
      return [count('spoofed'), ...this.#end('invalid-from', 'this is no domain that can be proven')];
    // §6.4.6: after sign-in the same two domains speak on.
    if (wasOpen && (to !== this.#ours || (from ?? this.#peer) !== this.#peer))
      return [count('spoofed'), ...this.#end('invalid-from', 'the stream was begun by another domain')];
    this.#phase = 'open';
    this.#ours = to;
    this.#peer = from ?? this.#peer;
    this.#mayUseExternal = !wasOpen && from !== undefined && this.#covers(from);
    return from === undefined ? undefined : this.#deny({ from, to });
  }

  #deny(pair: DomainPair): readonly ReceivingAction[] | undefined {
    switch (this.#options.policyOf(pair)) {
      case 'denied':
        return [count('partner-denied'), ...this.#end('policy-violation', 'these domains do not federate')];
      case 'unknown':
        return [count('domain-unknown'), ...this.#end('host-unknown', 'this domain does not federate here')];
      case 'unavailable':
        return [
          count('no-way-inside'),
          ...this.#end('remote-connection-failed', 'messaging is not available at the moment'),
        ];
      default:
        return undefined;
    }
  }

  #features(): string {
    const external = `<mechanisms xmlns="${NS_SASL}"><mechanism>EXTERNAL</mechanism></mechanisms>`;
    return `<stream:features>${this.#mayUseExternal ? external : ''}${DIALBACK_FEATURE}</stream:features>`;
  }

  #startTls({ local, namespace }: StreamElement): readonly ReceivingAction[] {
    if (!this.#headed || local !== 'starttls' || namespace !== NS_TLS)
      throw new StreamError('policy-violation', 'order', 'TLS comes first');
    this.#phase = 'tls-due';
    return [write(`<proceed xmlns="${NS_TLS}"/>`), { kind: 'start-tls' }];
  }

  /** SASL EXTERNAL (XEP-0178 §3): the certificate has spoken already; the name, if given, must be the one in the header. */
  #signIn({ local, element }: StreamElement): readonly ReceivingAction[] {
    if (local !== 'auth') throw new StreamError('not-authorized', 'order', 'this is no part of a sign-in');
    const peer = this.#peer;
    const wanted = decodeSasl(element.getText().trim() || '=')?.toString('utf8');
    const isRight = wanted === '' || (peer !== undefined && canonicalDomain(wanted) === peer);
    if (peer === undefined || !this.#mayUseExternal || element.attrs.mechanism !== 'EXTERNAL' || !isRight)
      return [count('external-refused'), ...this.#failed()];
    this.#phase = 'restarting';
    this.#headed = false;
    return [
      write(`<success xmlns="${NS_SASL}"/>`),
      { kind: 'restart' },
      ...this.#prove({ from: peer, to: this.#ours }, 'certificate'),
    ];
  }

  #failed(): readonly ReceivingAction[] {
    if (this.#isAskedTooMuch()) return this.#end('policy-violation', 'too many failed proofs');
    return [write(`<failure xmlns="${NS_SASL}"><not-authorized/></failure>`)];
  }

  #dialback({ local, element }: StreamElement): readonly ReceivingAction[] {
    const question = readDialback(local, element);
    if (question === undefined || question.type !== '')
      throw new StreamError('bad-format', 'syntax', 'this is no question of dialback');
    return question.name === 'verify' ? this.#answer(question) : this.#claim(question);
  }

  /** We are the authoritative server: is this key ours? (XEP-0220 §2.2.2) */
  #answer(question: DialbackElement): readonly ReceivingAction[] {
    if (this.#isAskedTooMuch()) return this.#end('policy-violation', 'too many questions');
    const { from, to, id, key } = question;
    if (!this.#options.serves(to)) return [write(printDialbackAnswer(question, 'item-not-found'))];
    const isOurs = this.#options.isOurKey({ from: to, to: from, id, key });
    const answer = write(printDialbackAnswer(question, isOurs ? 'valid' : 'invalid'));
    return isOurs ? [answer] : [count('key-forged'), answer];
  }

  /** The peer claims a pair by a key (XEP-0220 §2.1.1). */
  #claim(question: DialbackElement): readonly ReceivingAction[] {
    const { from, to } = question;
    const key = pairKey(question);
    const say = (result: DialbackResult): ReceivingAction => write(printDialbackAnswer(question, result));
    if (this.#pairs.has(key)) return [say('valid')];
    const policy = this.#options.serves(to) ? this.#options.policyOf({ from, to }) : 'unknown';
    if (policy === 'unknown') return [count('domain-unknown'), say('item-not-found')];
    if (policy === 'denied') return [count('partner-denied'), say('policy-violation')];
    if (policy === 'unavailable') return [count('no-way-inside'), say('remote-server-timeout')];
    if (this.#asking.has(key) || this.#pairs.size + this.#asking.size >= this.#options.maxPairs)
      return [count('pairs-full'), say('resource-constraint')];
    // XEP-0344: a certificate that speaks for the domain proves more than a key could.
    if (this.#covers(from)) return [say('valid'), ...this.#prove({ from, to }, 'certificate')];
    if (policy !== 'dialback') return [count('dialback-refused'), say('not-allowed')];
    if (this.#isAskedTooMuch()) return this.#end('policy-violation', 'too many failed proofs');
    this.#asking.add(key);
    return [{ kind: 'verify', question: { ...question, id: this.#id } }];
  }

  #verified(question: DialbackElement, result: DialbackResult): readonly ReceivingAction[] {
    const key = pairKey(question);
    if (!this.#asking.delete(key) || question.id !== this.#id) return [];
    const answer = write(printDialbackAnswer(question, result));
    if (result !== 'valid') return [count('dialback-invalid'), answer];
    return [answer, ...this.#prove({ from: question.from, to: question.to }, 'dialback')];
  }

  #prove(pair: DomainPair, by: Proof): readonly ReceivingAction[] {
    this.#pairs.set(pairKey(pair), pair);
    return [{ kind: 'proven', pair, by }];
  }

  #stanza(event: StreamElement): readonly ReceivingAction[] {
    if (this.#pairs.size === 0)
      throw new StreamError('not-authorized', 'order', 'no domain has been proven yet');
    const stanza = readStanza(event);
    if (this.#pairs.has(pairKey(stanza))) return [{ kind: 'stanza', stanza }];
    const isKnown = [...this.#pairs.values()].some(({ from }) => from === stanza.from);
    throw new StreamError(
      isKnown ? 'improper-addressing' : 'invalid-from',
      'address',
      'this stream does not carry stanzas of these two domains',
    );
  }

  #isAskedTooMuch(): boolean {
    this.#questions += 1;
    return this.#questions > this.#options.maxQuestions;
  }

  /** §4.9.1.2: a peer that has no header yet gets one first. */
  #end(condition: StreamCondition, text: string): readonly ReceivingAction[] {
    const { name } = this.#options;
    const opening = this.#headed ? '' : printServerHeader({ from: name, id: this.#options.newId() });
    this.#phase = 'ended';
    return [{ kind: 'end', text: opening + printStreamError(condition, text) }];
  }
}

function write(text: string): ReceivingAction {
  return { kind: 'write', text };
}

function count(event: ReceivingCount): ReceivingAction {
  return { kind: 'count', event };
}
