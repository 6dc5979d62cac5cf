// The transaction user at edge: carries requests and responses between client connections and core links, one branch
// each (RFC 3261 §16, breadth 1 after RFC 5393). Decisions are in from-client.ts and from-core.ts. Trust: clients
// none; core is authenticated, yet its messages go only to the connection they name.
import type {
  ClientFailure,
  ClientTransaction,
  ServerTransaction,
  SipRequest,
  SipResponse,
  SipTransport,
  TransactionLayer,
  TransactionUser,
} from '../../sip/index.ts';
import { stripPrivileged, type LinkWait, type LinkWaiter } from '../../sip/hop/index.ts';
import type { ClientConnection } from './client-connection.ts';
import type { ClientTable } from './client-table.ts';
import type { CoreChooser } from './core-choice.ts';
import { routeFromClient } from './from-client.ts';
import { routeFromCore, type LinkArrival } from './from-core.ts';
import type { EdgeHop } from './hop-identity.ts';
import { claimOf, noteSignIn, type SignInWatch } from './sign-in-watch.ts';
import { refuse, type Answer, type EdgeRefusal, type EdgeVerdict, type Forward } from './verdict.ts';

/** Who was refused: a client by its address, or a core by its name. */
export type LineSource = { readonly address: string; readonly port: number } | { readonly core: string };

export interface EdgeProxyOptions {
  readonly hop: EdgeHop;
  readonly cores: CoreChooser;
  readonly clients: ClientTable;
  /** Where BYE and ACK of registered clients wait while the link to their core is down. */
  readonly linkWait: LinkWait;
  /** Timer C: longest ringing without a sign of life. */
  readonly setupTimeoutMs: number;
  readonly count: (event: string, reason?: string) => void;
  /** Writes one line on a refusal. */
  readonly onLine: (reason: EdgeRefusal, status: number, request: SipRequest, from: LineSource) => void;
  /** A refusal and the client address it was given to, for bans. */
  readonly onRefused: (kind: EdgeRefusal, address: string) => void;
  /** Intrusion protection of sign-ins; left out: none. */
  readonly signIns?: SignInWatch | undefined;
}

export class EdgeProxy implements TransactionUser {
  readonly #options: EdgeProxyOptions;
  readonly #origins = new Map<string, ClientConnection | LinkArrival>();
  readonly #branches = new WeakMap<ServerTransaction, ClientTransaction>();
  readonly #ringingFor = new WeakMap<LinkArrival, Set<ClientTransaction>>();
  #layer: TransactionLayer | undefined;

  constructor(options: EdgeProxyOptions) {
    this.#options = options;
  }

  /** The layer that this proxy is the user of; set once. */
  useLayer(layer: TransactionLayer): void {
    this.#layer = layer;
  }

  /** Makes a transport's requests known as those of a client or of a core. */
  enter(transport: SipTransport, origin: ClientConnection | LinkArrival): void {
    this.#origins.set(transport.id, origin);
  }

  /** A transport is gone. What rings at clients on behalf of a core that is gone has nobody to answer to. */
  leave(transport: SipTransport): void {
    const origin = this.#origins.get(transport.id);
    this.#origins.delete(transport.id);
    if (origin === undefined || 'token' in origin) return;
    for (const invite of this.#ringingFor.get(origin) ?? []) invite.cancel();
  }

  onRequest(server: ServerTransaction): void {
    const origin = this.#origins.get(server.transport.id);
    if (origin === undefined) return;
    if ('token' in origin && this.#isOut(server.request, origin))
      return this.#answer(server, refuse(403, 'banned'), origin);
    if ('token' in origin) return this.#takeFromClient(server, origin, undefined);
    const verdict = this.#route(server.request.clone(), origin);
    if (verdict.kind === 'answer') this.#answer(server, verdict, origin);
    else this.#forwardToClient(server, verdict, origin);
  }

  /** A user who guessed too often at this address is not asked about again; the registrar never hears of it. */
  #isOut(request: SipRequest, { address }: ClientConnection): boolean {
    const { signIns } = this.#options;
    const user = signIns && claimOf(request)?.user;
    return user !== undefined && signIns?.isOut(user, address) === true;
  }

  /** `waiter` is how the request waited before, when it did. */
  #takeFromClient(server: ServerTransaction, origin: ClientConnection, waiter: LinkWaiter | undefined): void {
    const isBye = server.request.method === 'BYE';
    const verdict = this.#route(server.request.clone(), origin, isBye);
    if (verdict.kind === 'forward') return this.#forwardFromClient(server, verdict, origin, waiter);
    if (isBye && verdict.refusal === 'no-core' && this.#holdBye(server, origin, waiter)) return;
    this.#answer(server, verdict, origin);
  }

  /** A BYE whose core is away waits for it; false when it may not. */
  #holdBye(server: ServerTransaction, origin: ClientConnection, waiter: LinkWaiter | undefined): boolean {
    if (!origin.isProven) return false;
    const again: LinkWaiter = waiter ?? {
      owner: origin.token,
      bytes: server.request.print().length,
      retry: () => this.#takeFromClient(server, origin, again),
      late: () => this.#byeIsLate(server, origin, again),
    };
    return this.#options.linkWait.hold(again);
  }

  /** Its own core has not returned: another may know the far end; else the client is told. Either way it is kept on. */
  #byeIsLate(server: ServerTransaction, origin: ClientConnection, waiter: LinkWaiter): void {
    const verdict = this.#route(server.request.clone(), origin);
    if (verdict.kind === 'forward') this.#forwardFromClient(server, verdict, origin, waiter);
    else this.#answer(server, verdict, origin);
  }

  /** ACK of a 2xx: routed like any request, belongs to no transaction, is never answered. */
  onAck(ack: SipRequest, transport: SipTransport): void {
    const origin = this.#origins.get(transport.id);
    if (origin === undefined) return;
    const mayWait = 'token' in origin && origin.isProven && this.#options.cores.isMissing;
    if (mayWait) this.#takeAck(ack, origin, undefined);
    else this.#sendAck(ack, this.#route(ack, origin), origin);
  }

  #takeAck(ack: SipRequest, origin: ClientConnection, waiter: LinkWaiter | undefined): void {
    const again: LinkWaiter = waiter ?? {
      owner: origin.token,
      bytes: ack.print().length,
      retry: () => this.#takeAck(ack, origin, again),
      late: () => undefined,
    };
    const verdict = this.#route(ack.clone(), origin, true);
    const isHeld =
      verdict.kind === 'answer' && verdict.refusal === 'no-core' && this.#options.linkWait.hold(again);
    if (!isHeld) this.#sendAck(ack, verdict, origin);
  }

  #sendAck(ack: SipRequest, verdict: EdgeVerdict, origin: ClientConnection | LinkArrival): void {
    if (verdict.kind === 'forward') verdict.transport.send(verdict.request.print());
    else this.#note(verdict, ack, origin);
  }

  onCancel(invite: ServerTransaction, cancel: SipRequest): void {
    const reasons = cancel.headers.getAll('Reason').map((value) => ['Reason', value] as const);
    this.#branches.get(invite)?.cancel(reasons);
  }

  /** The client is gone: nobody is left to answer what rings on its behalf. */
  clientGone(connection: ClientConnection): void {
    for (const transaction of connection.ringing) transaction.cancel();
    connection.ringing.clear();
  }

  #route(request: SipRequest, origin: ClientConnection | LinkArrival, mayWait = false): EdgeVerdict {
    const { hop, cores, clients, count } = this.#options;
    if ('token' in origin) {
      const onStripped = (): void => count('privileged-header-stripped');
      return routeFromClient(request, origin, hop, cores, onStripped, mayWait);
    }
    return routeFromCore(request, hop, (token) => {
      const found = clients.find(token);
      if (typeof found === 'string') return found;
      return found.transport.isOpen ? found.transport : 'gone';
    });
  }

  #forwardFromClient(
    server: ServerTransaction,
    forward: Forward,
    connection: ClientConnection,
    waiter: LinkWaiter | undefined,
  ): void {
    const { method } = server.request;
    const { signIns } = this.#options;
    const claim = signIns && claimOf(server.request);
    connection.pending += 1;
    const { core } = connection;
    const onFinal = (response: SipResponse | undefined): void => {
      connection.pending -= 1;
      connection.ringing.delete(client);
      if (method === 'REGISTER' && response?.isSuccess === true) {
        this.#options.clients.prove(connection);
        connection.home = core;
      }
      if (signIns !== undefined) noteSignIn(signIns, claim, connection.address, response);
    };
    // Whether a BYE got there before its link died is not known, and a second one does no harm.
    const mayHold = (failure: ClientFailure): boolean =>
      method === 'BYE' && failure === 'transport' && this.#holdBye(server, connection, waiter);
    const client = this.#forward(server, forward, 'to-core', { onFinal, mayHold });
    if (method === 'INVITE') connection.ringing.add(client);
  }

  #forwardToClient(server: ServerTransaction, forward: Forward, origin: LinkArrival): void {
    const ringing = this.#ringingFor.get(origin) ?? new Set();
    const onFinal = (): void => void ringing.delete(client);
    const client = this.#forward(server, forward, 'to-client', { onFinal, mayHold: () => false });
    if (server.request.method !== 'INVITE') return;
    this.#ringingFor.set(origin, ringing);
    ringing.add(client);
  }

  /** Sends on and carries the responses back; `onFinal` is called once, `mayHold` when there will be no answer. */
  #forward(
    server: ServerTransaction,
    { request, transport }: Forward,
    direction: 'to-core' | 'to-client',
    {
      onFinal,
      mayHold,
    }: {
      onFinal: (response: SipResponse | undefined) => void;
      mayHold: (failure: ClientFailure) => boolean;
    },
  ): ClientTransaction {
    if (this.#layer === undefined) throw new Error('proxy without its transaction layer');
    let isFinal = false;
    const finish = (response: SipResponse | undefined): void => {
      if (isFinal) return;
      isFinal = true;
      onFinal(response);
    };
    const handlers = {
      onResponse: (response: SipResponse): void => {
        if (response.status >= 200) finish(response);
        this.#passBack(server, response, direction === 'to-client');
      },
      onFailure: (failure: ClientFailure): void => {
        finish(undefined);
        this.#options.count('request-failed', failure);
        if (!mayHold(failure)) this.#replyFailure(server, failure, direction);
      },
    };
    const client = this.#layer.request(request, transport, handlers, {
      timerCMs: this.#options.setupTimeoutMs,
    });
    if (request.method === 'INVITE') this.#branches.set(server, client);
    return client;
  }

  #passBack(server: ServerTransaction, response: SipResponse, isFromClient: boolean): void {
    if (response.status === 100) return; // hop by hop (RFC 3261 §16.7 step 5)
    response.headers.removeFirst('Via');
    if (!response.headers.has('Via')) return this.#options.count('response-dropped', 'no-via');
    if (isFromClient && stripPrivileged(response, 'client') > 0)
      this.#options.count('privileged-header-stripped');
    server.respond(response);
  }

  /** RFC 5626 §5.3.1: a flow that failed is 430, so that core stops using it. */
  #replyFailure(server: ServerTransaction, failure: ClientFailure, direction: 'to-core' | 'to-client'): void {
    if (failure === 'timeout') server.reply(408);
    else if (failure === 'transport' && direction === 'to-client') server.reply(430);
    else server.reply(503, undefined, { headers: [['Retry-After', '5']] });
  }

  #answer(server: ServerTransaction, answer: Answer, origin: ClientConnection | LinkArrival): void {
    this.#note(answer, server.request, origin);
    const { retryAfterSeconds } = answer;
    const headers =
      retryAfterSeconds === undefined ? [] : [['Retry-After', String(retryAfterSeconds)] as const];
    server.reply(answer.status, answer.reason, { headers });
  }

  #note(answer: Answer, request: SipRequest, origin: ClientConnection | LinkArrival): void {
    if (answer.refusal === undefined) return;
    const { count, onLine } = this.#options;
    count('refused', answer.refusal);
    const { address, port } = origin;
    const source = 'token' in origin ? { address, port } : { core: origin.peer.name };
    onLine(answer.refusal, answer.status, request, source);
    if ('token' in origin) this.#options.onRefused(answer.refusal, origin.address);
  }
}
