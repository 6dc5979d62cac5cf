// Federation at edge, put together: the door for partners' servers, the connections to them, the control messages of cores.
import { X509Certificate } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import {
  type CertificateNames,
  certificateNames,
  coversDomain,
  type DialbackElement,
  dialbackKey,
  type DialbackResult,
  type DomainPair,
  isOurKey,
  pairKey,
  TlsAcceptor,
} from '../../../xmpp/s2s/index.ts';
import {
  type ControlHandlers,
  FEDERATION_DIAL,
  FEDERATION_POLICY,
  federationDial,
  FROM_PARTNER_PATH,
  LinkError,
  type PartnerTerms,
  TO_PARTNER_PATH,
} from '../../../zones/index.ts';
import { Admission, type Admitted } from '../../admission.ts';
import { DOOR_TLS } from '../../door-tls.ts';
import { ByteRate } from '../byte-rate.ts';
import { CorePolicies } from './core-policies.ts';
import type { EdgeFederationOptions } from './federation-options.ts';
import { FromPartner } from './from-partner.ts';
import { PartnerCertificates } from './partner-certificate.ts';
import { type DialListener, type DialOptions, PartnerDial } from './partner-dial.ts';
import { ToPartner } from './to-partner.ts';

export interface EdgeFederationStatus {
  readonly connections: number;
  /** `partner ours` of each pair that partners have proven. */
  readonly fromPartners: readonly string[];
  /** `ours partner` of each stream to a partner. */
  readonly toPartners: readonly string[];
  readonly questions: number;
  /** Domains of ours that our certificate does not name: partners will not believe it. */
  readonly notInCertificate: readonly string[];
}

const KEEP_ALIVE_MS = 60_000;

export class EdgeFederation {
  /** What cores may say. */
  readonly controlHandlers: ControlHandlers;
  readonly #options: EdgeFederationOptions;
  readonly #server: Server;
  readonly #context: SecureContext;
  readonly #acceptor: TlsAcceptor;
  readonly #certificates: PartnerCertificates;
  readonly #admission: Admission;
  readonly #policies = new CorePolicies();
  readonly #sockets = new Set<Socket>();
  readonly #incoming = new Set<FromPartner>();
  readonly #outgoing = new Map<ToPartner, DomainPair>();
  readonly #names: CertificateNames;
  /** Domains of ours that our own certificate does not name. */
  #notNamed: readonly string[] = [];
  #questions = 0;

  constructor(options: EdgeFederationOptions) {
    const { authorities, certificate, admits } = options;
    this.#options = options;
    this.#names = certificateNames(new X509Certificate(certificate.chain).raw);
    const tls = {
      ...DOOR_TLS,
      cert: certificate.chain,
      key: certificate.key,
      ca: authorities === undefined ? getCACertificates('default') : [authorities],
    };
    this.#context = createSecureContext(tls);
    this.#acceptor = new TlsAcceptor(tls);
    this.#certificates = new PartnerCertificates(authorities);
    this.#admission = new Admission(options, admits);
    this.#server = createServer(
      { noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS },
      (raw) => this.#accept(raw),
    );
    this.controlHandlers = {
      [FEDERATION_POLICY]: (body, from) => this.#learn(from.peer.name, body),
      [FEDERATION_DIAL]: (body, from) => this.#dialFor(body, from.peer.name),
    };
  }

  #learn(core: string, body: unknown): void {
    const { domains } = this.#policies.learn(core, body);
    this.#notNamed = domains.filter((domain) => !coversDomain(this.#names, domain));
    if (this.#notNamed.length === 0) return;
    this.#options.log.warn(
      { domains: this.#notNamed },
      'the certificate for federation does not name these domains: partners will not believe it; set xmpp.federation.certificate',
    );
  }

  /** A core's control channel is gone: what it said counts no more. */
  peerDown(core: string): void {
    this.#policies.forget(core);
  }

  /** Resolves with the bound port. */
  listen(): Promise<number> {
    const { host, port, count } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: 1024 }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', () => count('door-error'));
        const bound = this.#server.address();
        resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
      });
    });
  }

  /** Stops listening; partners are told why. */
  async close(reason: string): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const gone = [...this.#sockets].map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const connection of this.#incoming) connection.end('system-shutdown', reason);
    for (const stream of this.#outgoing.keys()) stream.end();
    await Promise.all([closed, ...gone]);
  }

  status(): EdgeFederationStatus {
    return {
      connections: this.#admission.connections,
      fromPartners: [...this.#incoming].flatMap(({ pairs }) => pairs),
      toPartners: [...this.#outgoing.values()].map(pairKey),
      questions: this.#questions,
      notInCertificate: this.#notNamed,
    };
  }

  #accept(raw: Socket): void {
    const { count } = this.#options;
    const address = raw.remoteAddress;
    raw.on('error', () => undefined); // told again by 'close'
    if (address === undefined) return void raw.destroy();
    const place = this.#admission.admit(address);
    if (typeof place === 'string') {
      count('connection-refused', place);
      return void raw.destroy();
    }
    this.#sockets.add(raw);
    raw.once('close', () => {
      this.#sockets.delete(raw);
      place.left();
    });
    this.#serve(raw, address, place);
  }

  #serve(raw: Socket, address: string, place: Admitted): void {
    const options = this.#options;
    const { burstBytes, clock, count, log, maxBytesPerSecond } = options;
    const connection: FromPartner = new FromPartner(raw, {
      ...options,
      maxPairs: options.maxPairsPerConnection,
      maxQuestions: options.maxQuestionsPerConnection,
      serves: (domain) => this.#policies.serves(domain),
      policyOf: (pair) => this.#policies.policyOf(pair),
      isOurKey: (question) => isOurKey(options.dialbackSecret, question),
      secure: (socket, onSecure) => this.#acceptor.secure(socket, onSecure),
      judge: (socket) => this.#certificates.judge(socket, clock.wall()),
      verify: (question) => this.#verify(question),
      rate: new ByteRate(maxBytesPerSecond, burstBytes, clock.now()),
      count: (event, reason) => {
        count(event, reason);
        if (event === 'stream-refused') options.onRefused(reason ?? '', address);
      },
      openLink: (pair) => this.#openLink(pair),
      onSecured: () => place.handshakeDone(),
      onProven: (pair, by) => {
        count('partner-proven', by);
        log.info({ partner: pair.from, domain: pair.to, by, address }, 'partner connected');
      },
      onOver: () => this.#incoming.delete(connection),
    });
    this.#incoming.add(connection);
  }

  /** The first core that takes the pair and has room. */
  #openLink(pair: DomainPair): ReturnType<EdgeFederationOptions['openLink']> {
    let failure: unknown = new LinkError('closed', 'no core takes these domains');
    for (const core of this.#policies.coresFor(pair)) {
      try {
        return this.#options.openLink(core, FROM_PARTNER_PATH);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  /** Asks the server that answers for `question.from` whether it made a key (XEP-0220 §2.2.1). */
  #verify(question: DialbackElement): Promise<DialbackResult> {
    const terms = this.#policies.termsForQuestion(question);
    if (terms === undefined || this.#questions >= this.#options.maxQuestions) {
      this.#options.count('questions-full');
      return Promise.resolve('resource-constraint');
    }
    const pair = { from: question.to, to: question.from };
    this.#questions += 1;
    return new Promise<DialbackResult>((resolve) => {
      const dial = this.#dial(
        pair,
        terms,
        { kind: 'verify', question },
        {
          onReady: () => undefined,
          onDrain: () => undefined,
          onVerified: (result) => {
            resolve(result);
            dial.end();
          },
          onOver: (reason) => resolve(reason === 'refused' ? 'item-not-found' : 'remote-server-timeout'),
        },
      );
    }).finally(() => {
      this.#questions -= 1;
    });
  }

  /** Core has stanzas for a partner. @throws when edge will not; core then tells the senders. */
  #dialFor(body: unknown, core: string): object {
    const { id, from, to } = federationDial.parse(body);
    const terms = this.#policies.termsOf(core, from, to);
    if (terms === undefined) throw new LinkError('refused', 'these domains do not federate');
    if (this.#outgoing.size >= this.#options.maxOutgoing) {
      this.#options.count('outgoing-full');
      throw new LinkError('busy', 'too many streams to partners');
    }
    const { count, log, maxFrameBytes, dialbackSecret, openLink } = this.#options;
    const pair = { from, to };
    const key =
      terms.dialback === 'off' ? undefined : (stream: string) => dialbackKey(dialbackSecret, pair, stream);
    const stream: ToPartner = new ToPartner({
      link: openLink(core, TO_PARTNER_PATH + id),
      maxFrameBytes,
      count,
      dial: (listener) => this.#dial(pair, terms, { kind: 'stanzas', key }, listener),
      onReady: () => log.info({ domain: from, partner: to }, 'connected to partner'),
      onOver: (reason) => {
        this.#outgoing.delete(stream);
        count('to-partner-over', reason);
        log.info({ domain: from, partner: to, reason }, 'stream to partner ended');
      },
    });
    this.#outgoing.set(stream, pair);
    return {};
  }

  #dial(
    pair: DomainPair,
    terms: PartnerTerms,
    purpose: DialOptions['purpose'],
    listener: DialListener,
  ): PartnerDial {
    return new PartnerDial(
      { ...this.#options, pair, terms, purpose, secureContext: this.#context },
      listener,
    );
  }
}
