// One session of a client outside with a server inside, as core relays it (RFC 6120 §4, §6, §7): a machine without
// sockets, `handle(input) → actions`. It answers each stream header of the client with the server's own, lets only SASL
// pass until the server says success, only binding or resumption until a resource is bound, only stanzas and stream
// management after that. SASL messages and stanzas are printed anew from parsed elements, their content untouched.
// Trusts neither the client nor the edge that speaks for it; believes the server about success and nothing else.
import type { Element } from 'ltx';
import { asksToBind, saysBound } from './binding.ts';
import { NS_CLIENT, NS_CLIENT_STATE, NS_SASL, NS_STREAM_MANAGEMENT } from './namespaces.ts';
import {
  bareName,
  decodeSasl,
  printBearerChallenge,
  printSaslFailure,
  refuseMechanism,
  type SaslRefusal,
  saslIdentity,
} from './sasl.ts';
import {
  conditionOf,
  isStreamError,
  printStreamError,
  STREAM_CLOSE,
  type StreamCondition,
  StreamError,
} from './stream-error.ts';
import { offeredMechanisms, printSessionFeatures, printSignInFeatures } from './stream-features.ts';
import { printHeader, type StreamHeader } from './stream-header.ts';
import { type PassedStanza, StanzaPolicy, type StanzaRefusal, type StanzaRules } from './stanza-policy.ts';
import type { StreamElement, StreamEvent } from './stream-parser.ts';
import { wireOf } from './wire-batch.ts';

export interface SessionProxyOptions {
  /** Whether a domain is served here. */
  readonly policyOf: (domain: string) => 'allowed' | 'off' | 'unknown';
  /** What sessions of a domain may say. */
  readonly rulesOf: (domain: string) => StanzaRules;
  /** Failed sign-ins on one stream before it ends (RFC 6120 §6.4.5: between 2 and 5). */
  readonly maxFailedSignIns: number;
  /** Whether the caller answers `judge-token`; if not, mechanisms with tokens are not offered. */
  readonly areTokensChecked: boolean;
  /** False for a user who failed too often to try again now. */
  readonly mayTry: (user: string, domain: string) => boolean;
}

/** What the caller found out about a token: the name of its user, or why it opens nothing. */
export type TokenVerdict = { readonly user: string } | 'invalid' | 'stale' | 'scope' | 'unavailable';

export type SessionInput =
  | { readonly kind: 'client'; readonly event: StreamEvent }
  /** The client is gone without a word; its session may be resumed (XEP-0198). */
  | { readonly kind: 'client-lost' }
  /** The server has sent header and features, for the first time or after sign-in. */
  | { readonly kind: 'server-ready'; readonly header: StreamHeader; readonly features: Element }
  | { readonly kind: 'server'; readonly event: StreamEvent }
  | { readonly kind: 'server-lost' }
  | { readonly kind: 'server-unreachable' }
  | { readonly kind: 'token-judged'; readonly verdict: TokenVerdict }
  /** The caller ends the session for a reason of its own. */
  | { readonly kind: 'end'; readonly condition: StreamCondition; readonly text: string };

export type SessionAction =
  | { readonly kind: 'to-client'; readonly text: string | Buffer }
  /** The server accepted `user`: tell the client with `text`, whose stream then begins anew. */
  | { readonly kind: 'signed-in'; readonly user: string; readonly text: string }
  | { readonly kind: 'end-client'; readonly text: string }
  | { readonly kind: 'open-server'; readonly domain: string }
  | { readonly kind: 'restart-server'; readonly lang: string | undefined }
  | { readonly kind: 'to-server'; readonly text: string | Buffer }
  /** `clean`: with the end of the stream, so that nothing is kept for a resumption. */
  | { readonly kind: 'end-server'; readonly clean: boolean }
  /** Answer with `token-judged`. */
  | { readonly kind: 'judge-token'; readonly token: string; readonly domain: string }
  /** A sign-in failed; `user` is who it was said to be, undefined when only a bad token was shown. */
  | { readonly kind: 'failed'; readonly user: string | undefined; readonly domain: string }
  | { readonly kind: 'count'; readonly event: SessionCount };

export type SessionCount =
  | 'domain-unknown'
  | 'domain-off'
  | 'mechanism-refused'
  | 'identity-refused'
  | 'token-refused'
  | 'token-unchecked'
  | 'shut-out'
  | 'sign-in-failed'
  | 'out-of-order'
  | StanzaRefusal
  | 'server-lost'
  | 'server-unreachable';

type Phase =
  | 'new'
  | 'opening'
  | 'sign-in'
  | 'judging'
  | 'signed-in'
  | 'reopening'
  | 'unbound'
  | 'bound'
  | 'ended';

interface Exchange {
  readonly mechanism: string;
  user: string | undefined;
}

const STANZAS: ReadonlySet<string> = new Set(['message', 'presence', 'iq']);

export class SessionProxy {
  readonly #options: SessionProxyOptions;
  #phase: Phase = 'new';
  #policy: StanzaPolicy | undefined;
  #domain = '';
  /** Our header has been sent on the client's current stream. */
  #headed = false;
  #exchange: Exchange | undefined;
  /** A message with a token, until the caller has judged it. */
  #held: { readonly exchange: Exchange; readonly element: Element } | undefined;
  /** The client has been told why its token opens nothing, and owes an empty answer (RFC 7628 §3.2.3). */
  #bearerRefusal: SaslRefusal | undefined;
  #offered: readonly string[] = [];
  #failures = 0;

  constructor(options: SessionProxyOptions) {
    this.#options = options;
  }

  get phase(): Phase {
    return this.#phase;
  }

  handle(input: SessionInput): readonly SessionAction[] {
    if (this.#phase === 'ended') return [];
    try {
      return this.#dispatch(input);
    } catch (error) {
      if (!(error instanceof StreamError)) throw error;
      return [count('out-of-order'), ...this.#end(error.condition, error.message)];
    }
  }

  #dispatch(input: SessionInput): readonly SessionAction[] {
    switch (input.kind) {
      case 'client':
        return this.#client(input.event);
      case 'client-lost':
        this.#phase = 'ended';
        return [{ kind: 'end-server', clean: false }];
      case 'server-ready':
        return this.#serverReady(input.header, input.features);
      case 'server':
        return this.#server(input.event);
      case 'token-judged':
        return this.#judged(input.verdict);
      case 'server-lost':
        return [
          count('server-lost'),
          ...this.#end('remote-connection-failed', 'the messaging server has gone away'),
        ];
      case 'server-unreachable':
        return [
          count('server-unreachable'),
          ...this.#end('remote-connection-failed', 'no messaging server can be reached'),
        ];
      default:
        return this.#end(input.condition, input.text);
    }
  }

  #client(event: StreamEvent): readonly SessionAction[] {
    if (event.kind === 'open') return this.#open(event.header);
    if (event.kind === 'close') return this.#clientClosed();
    switch (this.#phase) {
      case 'sign-in':
        return this.#signIn(event);
      case 'unbound':
      case 'bound':
        return this.#stanza(event);
      default:
        throw new StreamError('not-authorized', 'order', 'the client spoke before the stream was open');
    }
  }

  #open(header: StreamHeader): readonly SessionAction[] {
    this.#headed = false;
    if (this.#phase === 'signed-in') {
      if (header.to !== undefined && header.to.toLowerCase() !== this.#domain)
        return this.#end('host-unknown', 'the stream was opened to another domain before sign-in');
      this.#phase = 'reopening';
      return [{ kind: 'restart-server', lang: header.lang }];
    }
    if (this.#phase !== 'new') throw new StreamError('bad-format', 'order', 'the stream is open already');
    this.#domain = header.to?.toLowerCase() ?? '';
    const policy = this.#options.policyOf(this.#domain);
    if (policy === 'unknown')
      return [count('domain-unknown'), ...this.#end('host-unknown', 'this domain is not served here')];
    if (policy === 'off')
      return [
        count('domain-off'),
        ...this.#end('policy-violation', 'messaging is switched off for this domain'),
      ];
    this.#phase = 'opening';
    this.#policy = new StanzaPolicy(this.#options.rulesOf(this.#domain), this.#domain);
    return [{ kind: 'open-server', domain: this.#domain }];
  }

  #serverReady(header: StreamHeader, features: Element): readonly SessionAction[] {
    const first = this.#phase === 'opening';
    if (!first && this.#phase !== 'reopening') return [];
    this.#phase = first ? 'sign-in' : 'unbound';
    this.#headed = true;
    const opening = printHeader({ id: header.id, lang: header.lang, from: this.#domain });
    if (!first) return [{ kind: 'to-client', text: opening + printSessionFeatures(features) }];
    this.#offered = offeredMechanisms(features, this.#options.areTokensChecked);
    return [{ kind: 'to-client', text: opening + printSignInFeatures(this.#offered) }];
  }

  #signIn({ local, namespace, element }: StreamElement): readonly SessionAction[] {
    if (namespace !== NS_SASL)
      throw new StreamError('not-authorized', 'order', 'the client has not signed in');
    const refused = this.#bearerRefusal;
    this.#bearerRefusal = undefined;
    if (refused !== undefined && local !== 'auth') return this.#refuse('token-refused', refused);
    if (local === 'auth') return this.#auth(element);
    const exchange = this.#exchange;
    if (exchange === undefined) throw new StreamError('not-authorized', 'order', 'no sign-in is under way');
    if (local === 'abort') return [toServer(element)];
    if (local !== 'response')
      throw new StreamError('not-authorized', 'order', 'this is no part of a sign-in');
    return this.#identify(exchange, element);
  }

  #auth(element: Element): readonly SessionAction[] {
    if (this.#exchange !== undefined)
      throw new StreamError('not-authorized', 'order', 'a sign-in is under way already');
    const mechanism = String(element.attrs.mechanism ?? '');
    const refused = refuseMechanism(mechanism, this.#options.areTokensChecked) ?? this.#notOffered(mechanism);
    if (refused !== undefined) return this.#refuse('mechanism-refused', refused);
    return this.#identify({ mechanism, user: undefined }, element);
  }

  #notOffered(mechanism: string): SaslRefusal | undefined {
    if (this.#offered.includes(mechanism)) return undefined;
    return { condition: 'invalid-mechanism', text: 'the server does not offer this mechanism' };
  }

  /** The first message with content says who this is; what follows is between client and server. */
  #identify(exchange: Exchange, element: Element): readonly SessionAction[] {
    const message = decodeSasl(element.getText());
    if (message === undefined)
      return this.#refuse('identity-refused', {
        condition: 'incorrect-encoding',
        text: 'the message is no base64',
      });
    if (exchange.user !== undefined || message.length === 0) return this.#pass(exchange, element);
    const identity = saslIdentity(exchange.mechanism, message, this.#domain);
    if ('condition' in identity) return this.#refuse('identity-refused', identity);
    exchange.user = identity.user;
    if (identity.user !== undefined && !this.#options.mayTry(identity.user, this.#domain))
      return this.#refuse('shut-out', { condition: 'temporary-auth-failure', text: 'try again later' });
    if (identity.token === undefined || !this.#options.areTokensChecked) return this.#pass(exchange, element);
    this.#held = { exchange, element };
    this.#phase = 'judging';
    return [{ kind: 'judge-token', token: identity.token, domain: this.#domain }];
  }

  #pass(exchange: Exchange, element: Element): readonly SessionAction[] {
    this.#exchange = exchange;
    return [toServer(element)];
  }

  /** A token opens the domain only to the user it is of, whoever the message says. */
  #judged(verdict: TokenVerdict): readonly SessionAction[] {
    const held = this.#held;
    if (this.#phase !== 'judging' || held === undefined) return [];
    this.#phase = 'sign-in';
    this.#held = undefined;
    if (verdict === 'unavailable')
      return this.#refuse('token-unchecked', {
        condition: 'temporary-auth-failure',
        text: 'the token cannot be checked at the moment',
      });
    const user = typeof verdict === 'string' ? undefined : bareName(verdict.user, this.#domain);
    if (user !== undefined && (held.exchange.user ?? user) === user)
      return this.#pass({ ...held.exchange, user }, held.element);
    const refusal: SaslRefusal = {
      condition: 'not-authorized',
      text: 'the token does not open this session',
    };
    const failed: SessionAction = { kind: 'failed', user: undefined, domain: this.#domain };
    const isForeign = verdict === 'invalid' || typeof verdict !== 'string';
    const before = isForeign ? [failed] : [];
    if (held.exchange.mechanism !== 'OAUTHBEARER')
      return [...before, ...this.#refuse('token-refused', refusal)];
    this.#bearerRefusal = refusal;
    const status = verdict === 'scope' ? 'insufficient_scope' : 'invalid_token';
    return [...before, toClient(printBearerChallenge(status))];
  }

  /** Our own refusal. If the server is in the middle of an exchange it is told, so that both stay in step. */
  #refuse(event: SessionCount, refusal: SaslRefusal): readonly SessionAction[] {
    const failed = this.#failed();
    if (failed !== undefined) return [count(event), ...failed];
    if (this.#exchange === undefined) return [count(event), toClient(printSaslFailure(refusal))];
    // The server answers `<abort/>` with a failure, which then reaches the client in place of ours (RFC 6120 §6.4.4).
    this.#failures -= 1;
    return [count(event), { kind: 'to-server', text: `<abort xmlns="${NS_SASL}"/>` }];
  }

  #failed(): readonly SessionAction[] | undefined {
    this.#failures += 1;
    if (this.#failures < this.#options.maxFailedSignIns) return undefined;
    return this.#end('policy-violation', 'too many failed sign-ins');
  }

  #stanza(event: StreamElement): readonly SessionAction[] {
    const { local, namespace } = event;
    const isManagement = NS_STREAM_MANAGEMENT.includes(namespace);
    const isStanza = namespace === NS_CLIENT && STANZAS.has(local);
    if (!isStanza && !isManagement && namespace !== NS_CLIENT_STATE)
      throw new StreamError('unsupported-stanza-type', 'stanza-type', 'this is no stanza');
    if (this.#phase === 'unbound' && !asksToBind(event))
      throw new StreamError('not-authorized', 'order', 'no resource is bound yet');
    if (!isStanza || this.#phase === 'unbound') return [{ kind: 'to-server', text: wireOf(event) }];
    return passed('to-server', this.#policy?.toServer(event));
  }

  #clientClosed(): readonly SessionAction[] {
    this.#phase = 'ended';
    return [
      { kind: 'end-server', clean: true },
      { kind: 'end-client', text: STREAM_CLOSE },
    ];
  }

  #server(event: StreamEvent): readonly SessionAction[] {
    if (event.kind === 'open') return this.#end('internal-server-error', 'the server opened a second stream');
    if (event.kind === 'close') return this.#end('system-shutdown', 'the messaging server ended the session');
    if (isStreamError(event.local, event.namespace))
      return this.#end(conditionOf(event.element), 'the messaging server ended the session');
    switch (this.#phase) {
      case 'sign-in':
        return this.#serverSignIn(event);
      case 'unbound':
        if (saysBound(event)) this.#phase = 'bound';
        return [toClient(wireOf(event))];
      case 'bound':
        if (event.namespace !== NS_CLIENT) return [toClient(wireOf(event))];
        return passed('to-client', this.#policy?.toClient(event));
      default:
        return this.#end('internal-server-error', 'the server spoke out of order');
    }
  }

  #serverSignIn({ local, namespace, element }: StreamElement): readonly SessionAction[] {
    const exchange = this.#exchange;
    if (namespace !== NS_SASL || exchange === undefined)
      return this.#end('internal-server-error', 'the server spoke out of order');
    if (local === 'challenge') return [toClient(element.toString())];
    this.#exchange = undefined;
    if (local === 'failure') {
      const { user } = exchange;
      const isTold = user !== undefined && element.getChild('not-authorized') !== undefined;
      const failed: SessionAction[] = isTold ? [{ kind: 'failed', user, domain: this.#domain }] : [];
      return [count('sign-in-failed'), ...failed, toClient(element.toString()), ...(this.#failed() ?? [])];
    }
    if (local !== 'success' || exchange.user === undefined)
      return this.#end('internal-server-error', 'the server spoke out of order');
    this.#phase = 'signed-in';
    return [{ kind: 'signed-in', user: exchange.user, text: element.toString() }];
  }

  /** Ends both streams; a client that has no header yet gets one first (RFC 6120 §4.9.1.2). */
  #end(condition: StreamCondition, text: string): readonly SessionAction[] {
    const wasBound = this.#phase === 'bound';
    this.#phase = 'ended';
    const from = this.#domain === '' ? undefined : this.#domain;
    const opening = this.#headed ? '' : printHeader({ from, id: '0' });
    return [
      { kind: 'end-client', text: opening + printStreamError(condition, text) },
      { kind: 'end-server', clean: !wasBound },
    ];
  }
}

function passed(kind: 'to-server' | 'to-client', stanza: PassedStanza | undefined): readonly SessionAction[] {
  if (stanza === undefined) return [];
  const action: SessionAction = { kind, text: stanza.text };
  return stanza.refused === undefined ? [action] : [count(stanza.refused), action];
}

function toServer(element: Element): SessionAction {
  return { kind: 'to-server', text: element.toString() };
}

function toClient(text: string | Buffer): SessionAction {
  return { kind: 'to-client', text };
}

function count(event: SessionCount): SessionAction {
  return { kind: 'count', event };
}
