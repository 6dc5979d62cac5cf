// The Host field (RFC 9110 §7.2, RFC 3986 §3.2): a name or address with an optional port, in one canonical spelling.
// Trusts nothing; knows no allowed names, those are the door's business.
import { isIPv4, isIPv6 } from 'node:net';
import { HttpError } from './http-error.ts';

const MAX_HOST_BYTES = 262;
const NAME =
  /^(?=.{1,253}\.?$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/;
const PORT = /^[0-9]{1,5}$/;

/** A host and, where it was given, a port; `hostname` is lower case without a final dot. */
export interface Authority {
  readonly hostname: string;
  readonly port: number | undefined;
}

/** Reads a Host value; throws HttpError 400. */
export function parseAuthority(text: string): Authority {
  if (text.length === 0 || text.length > MAX_HOST_BYTES) throw badHost();
  const lower = text.toLowerCase();
  const colon = lower.charCodeAt(0) === 0x5b ? lower.indexOf(':', lower.indexOf(']')) : lower.indexOf(':');
  const host = colon < 0 ? lower : lower.slice(0, colon);
  return { hostname: canonicalHost(host), port: colon < 0 ? undefined : parsePort(lower.slice(colon + 1)) };
}

function canonicalHost(host: string): string {
  if (host.startsWith('[') && host.endsWith(']') && isIPv6(host.slice(1, -1)) && !host.includes('%'))
    return host;
  if (isIPv4(host)) return host;
  if (!NAME.test(host)) throw badHost();
  return host.endsWith('.') ? host.slice(0, -1) : host;
}

function parsePort(text: string): number {
  const port = PORT.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw badHost();
  return port;
}

function badHost(): HttpError {
  return new HttpError(400, 'host', 'Host is not a host with an optional port');
}
