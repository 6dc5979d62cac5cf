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
import { stripPrivileged } from '../../sip/hop/index.ts';
import type { ClientConnection } from './client-connection.ts';
import type { ClientTable } from './client-table.ts';
import type { CoreChooser } from './core-choice.ts';
import { routeFromClient } from './from-client.ts';
import { routeFromCore, type LinkArrival } from './from-core.ts';
import type { EdgeHop } from './hop-identity.ts';
import type { Answer, EdgeRefusal, EdgeVerdict, Forward } from './verdict.ts';

export interface EdgeProxyOptions {
  readonly hop: EdgeHop;
  readonly cores: CoreChooser;
  readonly clients: ClientTable;
  /** Timer C: longest ringing without a sign of life. */
  readonly setupTimeoutMs: number;
  readonly count: (event: string, reason?: string) => void;
  /** A refusal and the client address it was given to, for bans. */
  readonly onRefused: (kind: EdgeRefusal, address: string) => void;
}

export class EdgeProxy implements TransactionUser {
  readonly #options: EdgeProxyOptions;
  readonly #origins = new Map<string, ClientConnection | LinkArrival>();
  readonly #branches = new WeakMap<ServerTransaction, ClientTransaction>();
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

  leave(transport: SipTransport): void {
    this.#origins.delete(transport.id);
  }

  onRequest(server: ServerTransaction): void {
    const origin = this.#origins.get(server.transport.id);
    if (origin === undefined) return;
    const verdict = this.#route(server.request.clone(), origin);
    if (verdict.kind === 'answer') this.#answer(server, verdict, origin);
    else if ('token' in origin) this.#forwardFromClient(server, verdict, origin);
    else this.#forward(server, verdict, 'to-client', () => undefined);
  }

  /** ACK of a 2xx: routed like any request, belongs to no transaction, is never answered. */
  onAck(ack: SipRequest, transport: SipTransport): void {
    const origin = this.#origins.get(transport.id);
    if (origin === undefined) return;
    const verdict = this.#route(ack, origin);
    if (verdict.kind === 'forward') verdict.transport.send(verdict.request.print());
    else this.#note(verdict, origin);
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

  #route(request: SipRequest, origin: ClientConnection | LinkArrival): EdgeVerdict {
    const { hop, cores, clients, count } = this.#options;
    if ('token' in origin) {
      return routeFromClient(request, origin, hop, cores, () => count('privileged-header-stripped'));
    }
    return routeFromCore(request, hop, (token) => {
      const found = clients.find(token);
      if (typeof found === 'string') return found;
      return found.transport.isOpen ? found.transport : 'gone';
    });
  }

  #forwardFromClient(server: ServerTransaction, forward: Forward, connection: ClientConnection): void {
    const { method } = server.request;
    connection.pending += 1;
    const client = this.#forward(server, forward, 'to-core', (response) => {
      connection.pending -= 1;
      connection.ringing.delete(client);
      if (method === 'REGISTER' && response?.isSuccess === true) this.#options.clients.prove(connection);
    });
    if (method === 'INVITE') connection.ringing.add(client);
  }

  /** Sends on and carries the responses back; `onFinal` is called once. */
  #forward(
    server: ServerTransaction,
    { request, transport }: Forward,
    direction: 'to-core' | 'to-client',
    onFinal: (response: SipResponse | undefined) => void,
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
        this.#replyFailure(server, failure, direction);
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
    this.#note(answer, origin);
    const { retryAfterSeconds } = answer;
    const headers =
      retryAfterSeconds === undefined ? [] : [['Retry-After', String(retryAfterSeconds)] as const];
    server.reply(answer.status, answer.reason, { headers });
  }

  #note(answer: Answer, origin: ClientConnection | LinkArrival): void {
    if (answer.refusal === undefined) return;
    this.#options.count('refused', answer.refusal);
    if ('token' in origin) this.#options.onRefused(answer.refusal, origin.address);
  }
}
