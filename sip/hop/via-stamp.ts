// What a proxy hop writes into Via (RFC 3261 §16.6 step 8, §18.2.1; RFC 3581 §4): on receipt the observed source and
// the zone it came from, on sending its own value. Only our parameters are added; the rest of the value is as written.
// Trust: `received`, `rport` and the zone parameters of a peer are worth nothing and are replaced by what we saw.
import type { HeaderList } from '../header-list.ts';
import { parseVia, printVia, type Via } from '../via.ts';
import type { Param } from '../params.ts';

/** What was observed of the connection that a request arrived on. */
export interface Arrival {
  readonly address: string;
  readonly port: number;
  readonly ingressZone: string;
  readonly ingressZoneId: number | undefined;
}

/** Our own Via value. */
export interface OwnVia {
  readonly transport: 'TCP' | 'TLS';
  readonly host: string;
  readonly port: number;
  readonly egressZone: string;
  readonly branch: string;
  readonly proxyCallId: string;
}

const observed = new Set(['received', 'rport', 'ingress-zone', 'ingress-zone-id']);

/**
 * Writes the arrival into the top Via.
 *
 *   SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bK1;received=10.88.246.8;rport=58980;ingress-zone=CollaborationEdgeZone
 */
export function stampArrival(headers: HeaderList, arrival: Arrival): void {
  const value = headers.first('Via');
  if (value === undefined) return;
  headers.replaceFirst('Via', stampedVia(value, arrival));
}

function stampedVia(value: string, arrival: Arrival): string {
  let tail = `;received=${arrival.address};rport=${arrival.port};ingress-zone=${arrival.ingressZone}`;
  if (arrival.ingressZoneId !== undefined) tail += `;ingress-zone-id=${arrival.ingressZoneId}`;
  // Hot: most values say nothing of it, and a hop of ours ends with the bare `rport` that asks for it.
  if (!mayBeObserved.test(value)) return value + tail;
  if (value.endsWith(askedRport) && !mayBeObserved.test(value.slice(0, -askedRport.length))) {
    return value.slice(0, -askedRport.length) + tail;
  }
  const via = parseVia(value);
  return printVia({ ...via, params: via.params.filter((param) => !isObserved(param)) }) + tail;
}

const askedRport = ';rport';
const mayBeObserved = /received|rport|ingress-zone/i;

function isObserved(param: Param): boolean {
  return observed.has(param.name.toLowerCase());
}

/** Puts our Via on top. */
export function pushVia(headers: HeaderList, via: OwnVia): void {
  headers.prepend(
    'Via',
    `SIP/2.0/${via.transport} ${via.host}:${via.port};egress-zone=${via.egressZone};branch=${via.branch}` +
      `;proxy-call-id=${via.proxyCallId};rport`,
  );
}

/** Whether a Via was written by the hop that sends as `host`:`port`. */
export function isSentBy(via: Via, host: string, port: number): boolean {
  return via.port === port && via.host.toLowerCase() === host;
}
