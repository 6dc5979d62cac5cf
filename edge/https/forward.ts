// One request on its way through the door: lane and headers are put right, a channel to a core is found, bytes flow
// both ways with back-pressure, and when either side goes away the other is told at once.
//
//   client ──▶ exchange.body ──▶ channel ──▶ core
//   client ◀── exchange sink ◀── channel ◀── core
import {
  type BodySink,
  HeaderList,
  type HttpClientConnection,
  HttpError,
  type IncomingBody,
  type OutgoingRequest,
  reasonPhrase,
  type ResponseHead,
  type ServerExchange,
} from '../../http/index.ts';
import { sourceKey } from '../../zones/admission.ts';
import type { Lane } from '../../zones/lane.ts';
import type { CorePools } from './core-pools.ts';
import type { CoreLink } from './door-options.ts';
import { applyHygiene } from './header-hygiene.ts';
import type { LaneReader } from './lane-target.ts';

const SERVER = 'CE_E';
/** Safe to send twice (RFC 9110 §9.2.1), if the first may not have been read. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What a request needs of the door. */
export interface ForwardContext {
  readonly pools: CorePools;
  readonly lanes: LaneReader;
  readonly edgeName: string;
  readonly hostNames: ReadonlySet<string>;
  readonly clientAddress: string;
  /** The client's proven certificate as a Client-Cert field's value. */
  readonly clientCertificate: string | undefined;
  /** The name the client asked for in its TLS hello. */
  readonly serverName: string | undefined;
  readonly trackingId: string;
  readonly onDone: (forward: Forward) => void;
}

/** One request; reports to `onDone` exactly once, whatever happens. */
export class Forward {
  readonly exchange: ServerExchange;
  readonly trackingId: string;
  clientTrackingId: string | undefined;
  lane: Lane | undefined;
  /** The path behind the lane. */
  path: string;
  core: CoreLink | undefined;
  /** Why it ended otherwise than by core's answer; `refused` when the door said so itself. */
  reason: HttpError | undefined;
  refused = false;
  readonly #context: ForwardContext;
  #request: OutgoingRequest | undefined;
  #candidates: CoreLink[] = [];
  #connection: HttpClientConnection | undefined;
  #withdraw: () => void = () => undefined;
  #repeated = false;
  #done = false;

  constructor(exchange: ServerExchange, context: ForwardContext) {
    this.exchange = exchange;
    this.trackingId = context.trackingId;
    this.path = exchange.request.path;
    this.#context = context;
    exchange.onAbort = (reason) => this.#clientGone(reason);
    exchange.onFinish = () => this.#finish();
  }

  /** Checks the request and sends it on, or refuses it. */
  run(): void {
    try {
      this.#request = this.#prepare();
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      return this.refuse(error);
    }
    this.#candidates = this.#context.pools.candidates(sourceKey(this.#context.clientAddress));
    this.#tryNextCore();
  }

  /** Answers in the door's own name. */
  refuse(error: HttpError, ...fields: readonly (readonly [string, string])[]): void {
    this.reason = error;
    this.refused = true;
    const headers = HeaderList.of(['Server', SERVER], ['TrackingID', this.trackingId], ...fields);
    this.exchange.respond({ status: error.status, reasonPhrase: phrase(error), headers });
  }

  #prepare(): OutgoingRequest {
    const { request } = this.exchange;
    this.#checkHost(request.hostname);
    const { lane, rest, target } = this.#context.lanes.read(request.path, request.query);
    this.lane = lane;
    this.path = rest;
    this.clientTrackingId = applyHygiene(request.headers, this.#context);
    return { method: request.method, target, host: this.#context.edgeName, headers: request.headers };
  }

  /** T-110: one name for the certificate and for the request (RFC 9110 §7.4). */
  #checkHost(hostname: string): void {
    const { hostNames, serverName } = this.#context;
    const known = hostNames.has(hostname) && (serverName === undefined || serverName === hostname);
    if (!known) throw new HttpError(421, 'misdirected', 'Host is not this door');
  }

  #tryNextCore(): void {
    const core = this.#candidates.shift();
    if (core === undefined) return this.refuse(new HttpError(502, 'no-next-hop', 'no link to any core'));
    this.core = core;
    this.#acquire(core);
  }

  #acquire(core: CoreLink): void {
    const pool = this.#context.pools.pool(core);
    const acquired = (connection: HttpClientConnection | undefined, error: HttpError | undefined): void => {
      if (connection !== undefined) return this.#send(connection);
      if (error?.reason === 'no-next-hop' || this.#candidates.length > 0) return this.#tryNextCore();
      this.refuse(error ?? new HttpError(502, 'no-next-hop', 'no channel'));
    };
    this.#withdraw = this.#repeated ? pool.acquireFresh(acquired) : pool.acquire(acquired);
  }

  #send(connection: HttpClientConnection): void {
    if (this.#request === undefined || this.#done) return;
    this.#connection = connection;
    const { body } = this.exchange;
    const sink: BodySink = connection.start(this.#request, body.length, {
      onResponse: (head, answer) => this.#relay(head, answer),
      onFailure: (error) => this.#failed(error, connection),
    });
    if (body.length === 'none') sink.end();
    else body.pipe(sink);
  }

  #relay(head: ResponseHead, answer: IncomingBody): void {
    head.headers.set('TrackingID', this.trackingId);
    answer.pipe(this.exchange.start(head, answer.length));
  }

  /** A channel that stood idle may have died unseen; nothing of the answer has come, and the request can be repeated. */
  #failed(error: HttpError, connection: HttpClientConnection): void {
    this.#connection = undefined;
    const { request, body } = this.exchange;
    const stale = error.reason === 'connection-lost' && connection.requests > 1;
    if (
      stale &&
      !this.#repeated &&
      body.length === 'none' &&
      REPEATABLE.has(request.method) &&
      this.core !== undefined
    ) {
      this.#repeated = true;
      return this.#acquire(this.core);
    }
    this.refuse(error);
  }

  #clientGone(reason: HttpError): void {
    this.reason ??= reason;
    this.#withdraw();
    this.#connection?.destroy(reason);
    this.#finish();
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#context.onDone(this);
  }
}

/** 502 says what clients and operators know it by (mra-wire §1.8). */
function phrase(error: HttpError): string {
  return error.status === 502 ? 'Next Hop Connection Failed' : reasonPhrase(error.status);
}
