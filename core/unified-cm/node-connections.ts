// Connections to servers inside, kept and reused: one pool per node, protocol and port. Bounded by the pools' own limits
// and by the number of nodes, since a pool exists only for a node that is known; `prune` closes those of nodes that left.
import {
  type ClientLimits,
  ClientPool,
  type Deadlines,
  HeaderList,
  type HttpClientConnection,
  HttpError,
} from '../../http/index.ts';
import { NodeConnectError, type NodeDialer } from './connect-node.ts';
import type { CallControlNode, NodeService } from './node.ts';
import type { Fetch, FetchedDocument } from './uds-client.ts';

export interface NodeConnectionsOptions {
  readonly dialer: NodeDialer;
  readonly deadlines: Deadlines;
  readonly limits: ClientLimits;
  /** Connections to one port of one node. */
  readonly maxConnections: number;
  /** Requests that wait for one of them. */
  readonly maxWaiting: number;
  readonly waitMs: number;
  readonly idleMs: number;
}

export interface NodeConnections {
  /** The pool for a service; its new connections go where `service` says now. */
  pool(service: NodeService): ClientPool;
  /** Closes the pools of nodes that are not among these. */
  prune(nodes: readonly CallControlNode[]): void;
  close(): void;
}

interface Entry {
  service: NodeService;
  readonly pool: ClientPool;
}

export function createNodeConnections(options: NodeConnectionsOptions): NodeConnections {
  const entries = new Map<string, Entry>();

  const openPool = (service: NodeService): Entry => {
    const entry: Entry = {
      service,
      pool: new ClientPool({ ...options, open: () => options.dialer.connect(entry.service) }),
    };
    return entry;
  };

  const closeWhere = (isDoomed: (entry: Entry) => boolean): void => {
    for (const [key, entry] of entries) {
      if (!isDoomed(entry)) continue;
      entries.delete(key);
      entry.pool.close(new HttpError(502, 'no-next-hop', 'node is gone'));
    }
  };

  return {
    pool(service) {
      const key = `${service.protocol}:${service.port} ${nodeKey(service.node)}`;
      const known = entries.get(key);
      if (known !== undefined) {
        known.service = service;
        return known.pool;
      }
      const made = openPool(service);
      entries.set(key, made);
      return made.pool;
    },
    prune(nodes) {
      const known = new Set(nodes.map(nodeKey));
      closeWhere(({ service: { node } }) => !known.has(nodeKey(node)));
    },
    close: () => closeWhere(() => true),
  };
}

function nodeKey(node: NodeService['node']): string {
  return `${node.name} ${node.cluster}`;
}

/** True for a failure that says nothing about the server: a kept connection that it had closed meanwhile. */
export function wasStale(connection: HttpClientConnection, error: HttpError): boolean {
  return connection.requests > 1 && (error.reason === 'connection-lost' || error.reason === 'truncated');
}

/** Why a request to a node failed, in words, from what pool or connection reported. */
export function causeOf(error: HttpError, service: NodeService): string {
  if (error.cause instanceof NodeConnectError) return error.cause.message;
  return `${service.node.name}:${service.port} failed: ${error.message}`;
}

/** Whole documents of at most `maxBytes` over these connections. */
export function createFetch(connections: NodeConnections, maxBytes: number): Fetch {
  return (service, target, headers) =>
    new Promise((resolve, reject) => {
      const pool = connections.pool(service);
      const request = { method: 'GET', target, host: hostOf(service), headers: HeaderList.of(...headers) };
      const fail = (error: HttpError): void => reject(new Error(causeOf(error, service), { cause: error }));
      const attempt = (connection: HttpClientConnection | undefined, error: HttpError | undefined): void => {
        if (connection === undefined)
          return fail(error ?? new HttpError(502, 'no-next-hop', 'no connection'));
        connection.send(request, undefined, {
          onResponse: (head, body) => {
            const collected = body.collect(maxBytes).then((bytes): FetchedDocument => ({
              status: head.status,
              body: bytes.toString('utf8'),
            }));
            collected.then(resolve, (failure: HttpError) => {
              connection.destroy(failure);
              fail(failure);
            });
          },
          onFailure: (failure) =>
            wasStale(connection, failure) ? pool.acquireFresh(attempt) : fail(failure),
        });
      };
      pool.acquire(attempt);
    });
}

/** The Host value for a node: its name, with the port unless it is the protocol's own. */
export function hostOf({ node, protocol, port }: NodeService): string {
  const name = node.name.includes(':') ? `[${node.name}]` : node.name;
  return port === (protocol === 'https' ? 443 : 80) ? name : `${name}:${port}`;
}
