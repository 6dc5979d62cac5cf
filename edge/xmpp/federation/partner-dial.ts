// One way to a partner's server: its targets one after the other until one takes us, or the last has failed. For a stream of
// stanzas, or for one question of dialback.
import type { SecureContext, TLSSocket } from 'node:tls';
import {
  type DialbackResult,
  type DomainPair,
  OutgoingConnection,
  type OutgoingFailure,
  type Purpose,
  type ServerTarget,
} from '../../../xmpp/s2s/index.ts';
import type { PartnerTerms } from '../../../zones/index.ts';
import type { EdgeFederationOptions } from './federation-options.ts';
import { isServerOf } from './partner-certificate.ts';
import { partnerTargets } from './partner-targets.ts';

export interface DialOptions extends Pick<
  EdgeFederationOptions,
  'dns' | 'isAllowedTarget' | 'random' | 'count' | 'limits' | 'clock'
> {
  readonly pair: DomainPair;
  readonly terms: PartnerTerms;
  readonly purpose: Purpose;
  readonly secureContext: SecureContext;
}

export interface DialListener {
  onReady(): void;
  onVerified(result: DialbackResult): void;
  onDrain(): void;
  /** No target took us, or the one that did is gone; told once. */
  onOver(reason: OutgoingFailure): void;
}

/** After these the next target may still do better. */
const TRY_NEXT: ReadonlySet<OutgoingFailure> = new Set(['unreachable', 'closed', 'no-tls', 'certificate']);

export class PartnerDial {
  readonly #options: DialOptions;
  readonly #listener: DialListener;
  #connection: OutgoingConnection | undefined;
  #targets: readonly ServerTarget[] = [];
  #isReady = false;
  #isOver = false;

  constructor(options: DialOptions, listener: DialListener) {
    this.#options = options;
    this.#listener = listener;
    void partnerTargets(options.pair.to, options.terms.route, options).then(
      (targets) => {
        this.#targets = targets;
        this.#next('refused'); // no target: there is no such server for us
      },
      () => this.#over('unreachable'),
    );
  }

  /** Only after `onReady`. False: write no more until `onDrain`. */
  write(bytes: Uint8Array): boolean {
    return this.#connection?.write(bytes) ?? true;
  }

  /** Ends it as it should end, from our side; nothing is told any more. */
  end(): void {
    this.#isOver = true;
    this.#connection?.end();
  }

  #next(reason: OutgoingFailure): void {
    if (this.#isOver) return;
    const [target, ...rest] = this.#targets;
    if (target === undefined) return this.#over(reason);
    this.#targets = rest;
    const { pair, terms } = this.#options;
    this.#connection = new OutgoingConnection(
      { ...this.#options, target, judge: (socket) => isGoodEnough(socket, pair.to, terms) },
      {
        onReady: () => {
          this.#isReady = true;
          this.#listener.onReady();
        },
        onVerified: (result) => this.#listener.onVerified(result),
        onDrain: () => this.#listener.onDrain(),
        onOver: (why) => (!this.#isReady && TRY_NEXT.has(why) ? this.#next(why) : this.#over(why)),
      },
    );
  }

  #over(reason: OutgoingFailure): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#listener.onOver(reason);
  }
}

/** Where the operator trusts dialback of a partner, DNS has said who it is; TLS then keeps others from listening, no more. */
function isGoodEnough(socket: TLSSocket, domain: string, { dialback }: PartnerTerms): boolean {
  return dialback === 'both' || isServerOf(socket, domain);
}
