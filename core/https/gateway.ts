// The HTTPS plane in core: what edge hands through the tunnel is parsed again, decided here and only here, and answered
// or passed on to a known server. Edge is not trusted: it may be captured, and then gains what a client could ask for
// (T-145). Order of a request: lane → domain → the edge's own services, or proxy: who, what, then the connection.
import type { Duplex } from 'node:stream';
import {
  type Deadlines,
  HttpError,
  HttpServerConnection,
  type ServerExchange,
  type ServerLimits,
} from '../../http/index.ts';
import { type Lane, LaneError, parseLane, splitLanePath } from '../../zones/lane.ts';
import type { PeerIdentity } from '../../zones/peer.ts';
import { answerStatus, answerUnknownDomain, serverName } from './answers.ts';
import type { Call } from './call.ts';
import type { EdgeServices } from './edge-services.ts';
import type { ProxyLane } from './proxy-lane.ts';
import { type RequestLog, RequestRecord } from './request-record.ts';
import { readTrace } from './trace.ts';

export interface GatewayOptions {
  readonly limits: ServerLimits;
  readonly deadlines: Deadlines;
  /** Domain (folded) → deployment. */
  readonly domains: ReadonlyMap<string, string>;
  readonly edgeServices: EdgeServices;
  readonly proxyLane: ProxyLane;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly log: RequestLog;
  readonly count: (event: string, reason?: string) => void;
}

export interface Gateway {
  /** Serves one channel of an edge's link; owns it from here on. */
  serve(channel: Duplex, peer: PeerIdentity): void;
  /** Lets current requests end and takes no more. */
  drain(): void;
  /** Cuts every channel. */
  close(reason: string): void;
  /** Channels being served. */
  readonly channels: number;
}

export function createGateway(options: GatewayOptions): Gateway {
  const connections = new Set<HttpServerConnection>();
  let draining = false;
  return {
    serve(channel, peer) {
      const connection = new HttpServerConnection(channel, {
        limits: options.limits,
        deadlines: options.deadlines,
        serverName,
        onRequest: (exchange) => guard(options, exchange, peer),
        onRefused: (error) => refused(options, peer, error),
        onClose: () => connections.delete(connection),
      });
      connections.add(connection);
      if (draining) connection.drain();
    },
    drain() {
      draining = true;
      for (const connection of connections) connection.drain();
    },
    close(reason) {
      for (const connection of connections) connection.close(new HttpError(503, 'draining', reason));
    },
    get channels() {
      return connections.size;
    },
  };
}

/**
 * A message that edge should never have let through says something about edge, so that it is logged, not only counted.
 * What broke off on our side is told in the record of its request.
 */
function refused(options: GatewayOptions, peer: PeerIdentity, error: HttpError): void {
  if (ourFaults.has(error.status)) return;
  options.count('message-refused', error.reason);
  if (error.reason === 'cancelled' || error.reason === 'idle-timeout') return;
  const fields = { event: 'Message Refused', peer: peer.name, reason: error.reason, detail: error.message };
  options.log.warn(fields, 'edge handed over a message that is refused');
}

const ourFaults: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/** A fault of ours costs the request that met it, not the process and everybody's calls. */
function guard(options: GatewayOptions, exchange: ServerExchange, peer: PeerIdentity): void {
  const fail = (error: unknown): void => {
    options.count('internal-fault');
    const fields = { event: 'Internal Fault', peer: peer.name, error };
    options.log.error(fields, 'a request met a fault in core; please report it with this line');
    exchange.drop(new HttpError(500, 'internal', 'fault in core'));
  };
  handle(options, exchange, peer).catch(fail);
}

async function handle(options: GatewayOptions, exchange: ServerExchange, peer: PeerIdentity): Promise<void> {
  const trace = readTrace(exchange.request.headers);
  const record = new RequestRecord(exchange, trace, peer.name, options.log, options.now);
  exchange.onFinish = () => record.write();
  exchange.onAbort = () => record.write();
  const found = readLane(exchange.request.path);
  if (found === undefined) {
    options.count('request-refused', 'lane');
    record.rejected('lane', 'the path does not begin with a lane');
    return answerStatus(exchange, 404);
  }
  const { lane, rest } = found;
  const deployment = options.domains.get(lane.domain);
  record.target(printTarget(lane, rest), lane.domain, deployment ?? '');
  if (deployment === undefined) {
    options.count('request-refused', 'domain');
    record.rejected('domain', 'the domain is none of those configured on this core');
    return answerUnknownDomain(exchange);
  }
  const call: Call = { exchange, peer, trace, domain: lane.domain, deployment, record };
  if (lane.kind === 'domain') await options.edgeServices(call, rest);
  else await options.proxyLane(call, lane, rest);
}

/** Good lanes read lately; a client uses two or three all day. Each is shorter than a kilobyte. */
const maxKnownLanes = 1024;
const knownLanes = new Map<string, Lane>();

function readLane(path: string): { lane: Lane; rest: string } | undefined {
  const split = splitLanePath(path);
  if (split === undefined) return undefined;
  const { segment, rest } = split;
  const known = knownLanes.get(segment);
  if (known !== undefined) return { lane: known, rest };
  try {
    const lane = parseLane(segment);
    if (knownLanes.size >= maxKnownLanes) knownLanes.clear();
    knownLanes.set(segment, lane);
    return { lane, rest };
  } catch (error) {
    if (error instanceof LaneError) return undefined;
    throw error;
  }
}

function printTarget(lane: Lane, rest: string): string {
  return lane.kind === 'domain' ? rest : `${lane.protocol}://${lane.host}:${lane.port}${rest}`;
}
