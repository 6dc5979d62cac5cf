// One permitted request through to a server inside and its answer back, streamed both ways with back-pressure: nothing
// is gathered, a slow reader slows the writer. Whoever goes away first takes the other side along.
import type {
  ClientPool,
  HttpClientConnection,
  OutgoingRequest,
  ResponseHead,
  ServerExchange,
} from '../../http/index.ts';
import { HttpError, type IncomingBody } from '../../http/index.ts';
import { wasStale } from '../unified-cm/index.ts';

export interface ForwardPlan {
  readonly exchange: ServerExchange;
  readonly request: OutgoingRequest;
  readonly pool: ClientPool;
  /** Cleans the answer's head before it goes out. */
  readonly onHead: (head: ResponseHead) => void;
  /** The client went away, or the answer broke off. */
  readonly onAbort: (reason: HttpError) => void;
  /** There was no answer; the exchange still waits for one. */
  readonly onFailure: (error: HttpError) => void;
}

export function forward(plan: ForwardPlan): void {
  const { exchange, pool } = plan;
  let withdraw: () => void = () => undefined;
  let current: HttpClientConnection | undefined;
  // Only a request that changes nothing and has no body can be sent twice.
  const repeatable =
    exchange.body.length === 'none' && (plan.request.method === 'GET' || plan.request.method === 'HEAD');
  let repeated = false;

  exchange.onAbort = (reason) => {
    withdraw();
    current?.destroy(reason);
    plan.onAbort(reason);
  };

  const onFailure = (connection: HttpClientConnection, error: HttpError): void => {
    current = undefined;
    if (exchange.answered || exchange.over) return;
    if (!repeatable || repeated || !wasStale(connection, error)) return plan.onFailure(error);
    repeated = true;
    withdraw = pool.acquireFresh(onConnection);
  };

  const onConnection = (connection: HttpClientConnection | undefined, error: HttpError | undefined): void => {
    if (connection === undefined)
      return plan.onFailure(error ?? new HttpError(502, 'no-next-hop', 'no connection'));
    current = connection;
    const sink = connection.start(plan.request, exchange.body.length, {
      onResponse: (head, body) => answer(plan, head, body),
      onFailure: (failure) => onFailure(connection, failure),
    });
    exchange.body.pipe(sink);
  };
  withdraw = pool.acquire(onConnection);
}

function answer({ exchange, onHead }: ForwardPlan, head: ResponseHead, body: IncomingBody): void {
  onHead(head);
  body.pipe(exchange.start(head, body.length));
}
