// A permitted request to a known node: cleaned headers in, cleaned headers out, and words for what fails on the way.
import type { HttpError } from '../../http/index.ts';
import type { Lane } from '../../zones/lane.ts';
import {
  type CallControlNode,
  causeOf,
  hostOf,
  NodeConnectError,
  type NodeConnections,
  type NodeService,
  type UnifiedCm,
} from '../unified-cm/index.ts';
import { answerStatus } from './answers.ts';
import type { Call } from './call.ts';
import { forward } from './forward.ts';
import { makeInwardHeaders } from './inward-headers.ts';
import { makeOutwardHeaders } from './outward-headers.ts';

export interface PassOptions {
  readonly unifiedCm: Pick<UnifiedCm, 'nodes' | 'noteFailure'>;
  readonly connections: NodeConnections;
  /** Name of this core in Via. */
  readonly name: string;
  readonly redirectHosts: ReadonlySet<string>;
  readonly count: (event: string, reason?: string) => void;
}

export type ProxyTarget = Extract<Lane, { kind: 'proxy' }>;
export type KnownService = NodeService & { readonly node: CallControlNode };

/** Sends the request on; `rest` is the canonical path inside. `onStatus` hears the answer's status before the client. */
export function pass(
  options: PassOptions,
  call: Call,
  lane: ProxyTarget,
  rest: string,
  service: KnownService,
  onStatus: (status: number) => void = () => undefined,
): void {
  const { exchange, trace, record } = call;
  const { method, query, headers } = exchange.request;
  const target = query === undefined ? rest : `${rest}?${query}`;
  const via = `https/1.1 viaduct[${call.peer.name}], http/1.1 viaduct[${options.name}]`;
  makeInwardHeaders(headers, trace, via);
  // A password or token never crosses the inside network in the clear; file servers over HTTP ask for none.
  if (service.protocol === 'http') headers.remove('authorization');
  forward({
    exchange,
    request: { method, target, host: hostOf(service), headers },
    pool: options.connections.pool(service),
    onHead: (head) => {
      onStatus(head.status);
      const withheld = makeOutwardHeaders(head.headers, {
        lane,
        target,
        isKnown: (host) => isKnown(options, call.deployment, host),
        redirectHosts: options.redirectHosts,
      });
      if (withheld > 0) options.count('redirect-withheld');
    },
    onAbort: (reason) => {
      options.count('request-broken-off', reason.reason);
      record.failed(reason.reason, reason.message);
      record.write();
    },
    onFailure: (error) => fail(options, call, service, error),
  });
}

function fail(options: PassOptions, call: Call, service: KnownService, error: HttpError): void {
  const cause = causeOf(error, service);
  if (error.cause instanceof NodeConnectError) options.unifiedCm.noteFailure(service.node, cause);
  options.count('request-failed', error.reason);
  call.record.failed(error.reason, cause);
  if (error.status === 503 || error.status === 504) answerStatus(call.exchange, error.status);
  else
    answerStatus(
      call.exchange,
      502,
      error.cause instanceof NodeConnectError ? 'connect failed' : 'Bad Gateway',
    );
}

function isKnown(options: PassOptions, deployment: string, host: string): boolean {
  return options.unifiedCm
    .nodes()
    .some((node) => node.deployment === deployment && node.aliases.includes(host));
}
