// The way to the servers of a domain inside, in the partner's name: TLS with a verified chain and name, then EXTERNAL where the
// server believes core's certificate for the partner, else dialback, which the server asks back at core's own door.
// Nodes that failed are tried last; the next is tried when one cannot be reached.
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import {
  certificateNames,
  coversDomain,
  type DialbackElement,
  dialbackKey,
  type DialbackResult,
  type DomainPair,
  OutgoingConnection,
  type OutgoingFailure,
  type Purpose,
} from '../../../xmpp/s2s/index.ts';
import type { XmppNode } from '../core-xmpp-options.ts';
import { NodeChoice } from '../node-choice.ts';
import type { CoreFederationOptions, FederatedDomain } from './federation-options.ts';
import type { OnwardListener, OnwardStream } from './stanza-road.ts';

type Options = Pick<
  CoreFederationOptions,
  'domains' | 'certificate' | 'nodePort' | 'limits' | 'clock' | 'resolve' | 'avoidNodeMs' | 'count'
> & { readonly dialbackSecret: string };

const TRY_NEXT: ReadonlySet<OutgoingFailure> = new Set([
  'unreachable',
  'closed',
  'no-tls',
  'certificate',
  'refused',
]);

interface Listener extends OnwardListener {
  onVerified?(result: DialbackResult): void;
}

export class InsideServers {
  readonly #options: Options;
  readonly #domains: ReadonlyMap<string, FederatedDomain & { readonly choice: NodeChoice }>;
  readonly #contexts = new Map<string | undefined, SecureContext>();

  constructor(options: Options) {
    this.#options = options;
    this.#domains = new Map(
      options.domains.map((domain) => [
        domain.name,
        { ...domain, choice: new NodeChoice(domain.nodes, options.avoidNodeMs) },
      ]),
    );
  }

  nodesOf(domain: string): readonly XmppNode[] {
    return this.#domains.get(domain)?.nodes ?? [];
  }

  /** A stream of stanzas from a partner to a domain of ours. */
  open(pair: DomainPair, listener: OnwardListener): OnwardStream {
    const key = (id: string): string => dialbackKey(this.#options.dialbackSecret, pair, id);
    return this.#dial(pair, { kind: 'stanzas', key }, listener);
  }

  /** Asks a server of `question.from`, a domain of ours, whether it made a key. */
  verify(question: DialbackElement): Promise<DialbackResult> {
    const pair = { from: question.to, to: question.from };
    return new Promise((resolve) => {
      const dial = this.#dial(
        pair,
        { kind: 'verify', question },
        {
          onReady: () => undefined,
          onDrain: () => undefined,
          onVerified: (result) => {
            resolve(result);
            dial.end();
          },
          onOver: () => resolve('remote-server-timeout'),
        },
      );
    });
  }

  #dial(pair: DomainPair, purpose: Purpose, listener: Listener): InsideDial {
    const domain = this.#domains.get(pair.to);
    const choice = domain?.choice ?? new NodeChoice([], 0);
    return new InsideDial(pair, purpose, listener, choice, this.#options, (node) => this.#contextOf(node));
  }

  #contextOf({ trust }: XmppNode): SecureContext {
    const known = this.#contexts.get(trust);
    if (known !== undefined) return known;
    const { chain, key } = this.#options.certificate;
    const context = createSecureContext({
      minVersion: 'TLSv1.2',
      cert: chain,
      key,
      ...(trust === undefined ? {} : { ca: trust }),
    });
    this.#contexts.set(trust, context);
    return context;
  }
}

/** One attempt: nodes and their addresses, one after the other. */
class InsideDial implements OnwardStream {
  readonly #listener: Listener;
  #connection: OutgoingConnection | undefined;
  #isReady = false;
  #isOver = false;

  constructor(
    pair: DomainPair,
    purpose: Purpose,
    listener: Listener,
    choice: NodeChoice,
    options: Options,
    contextOf: (node: XmppNode) => SecureContext,
  ) {
    this.#listener = listener;
    void this.#run(pair, purpose, choice, options, contextOf);
  }

  write(text: string): boolean {
    return this.#connection?.write(text) ?? true;
  }

  end(): void {
    this.#isOver = true;
    this.#connection?.end();
  }

  async #run(
    pair: DomainPair,
    purpose: Purpose,
    choice: NodeChoice,
    options: Options,
    contextOf: (node: XmppNode) => SecureContext,
  ): Promise<void> {
    let failure: OutgoingFailure = 'unreachable';
    for (const node of choice.inOrder(options.clock.now())) {
      for (const address of await addressesOf(node, options)) {
        if (this.#isOver) return;
        failure = await this.#connect(pair, purpose, node, address, options, contextOf(node));
        if (this.#isReady) choice.worked(node);
        if (this.#isReady || this.#isOver) return;
        if (!TRY_NEXT.has(failure)) return this.#over(failure);
      }
      choice.failed(node, options.clock.now());
      options.count('node-unreachable');
    }
    this.#over(failure);
  }

  /** Resolves with why it failed, or, once it is ready, with anything. */
  #connect(
    pair: DomainPair,
    purpose: Purpose,
    node: XmppNode,
    address: string,
    { clock, limits, nodePort }: Options,
    secureContext: SecureContext,
  ): Promise<OutgoingFailure> {
    return new Promise((resolve) => {
      const target = { address, port: nodePort, isDirectTls: false };
      const judge = (socket: TLSSocket): boolean => isNode(socket, pair.to, node);
      this.#connection = new OutgoingConnection(
        { target, pair, purpose, secureContext, judge, limits, clock },
        {
          onReady: () => {
            this.#isReady = true;
            resolve('closed');
            if (!this.#isOver) this.#listener.onReady();
          },
          onVerified: (result) => {
            this.#isReady = true;
            resolve('closed');
            this.#listener.onVerified?.(result);
          },
          onDrain: () => this.#listener.onDrain(),
          onOver: (reason) => {
            if (this.#isReady) this.#over(reason);
            else resolve(reason);
          },
        },
      );
    });
  }

  #over(reason: OutgoingFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onOver(reason);
  }
}

/** RFC 6120 §13.7.2.1 wants the domain; servers of a cluster often have only their own name. Either proves them. */
function isNode(socket: TLSSocket, domain: string, { name }: XmppNode): boolean {
  const certificate = socket.getPeerX509Certificate();
  if (!socket.authorized || certificate === undefined) return false;
  if (isIP(name) !== 0 && certificate.checkIP(name) !== undefined) return true;
  const names = certificateNames(certificate.raw);
  return coversDomain(names, domain) || coversDomain(names, name.toLowerCase());
}

async function addressesOf({ address, name }: XmppNode, { resolve }: Options): Promise<readonly string[]> {
  if (address !== undefined) return [address];
  if (isIP(name) !== 0) return [name];
  return resolve(name).catch(() => []);
}
