// `host [":" port]`, RFC 3261 §25.1 hostport: name, IPv4 address or bracketed IPv6 reference.

import { isHostName, parseDecimal } from './characters.ts';
import { SipParseError } from './parse-error.ts';

/** Host as written (IPv6 with brackets) and port when given. */
export interface HostPort {
  readonly host: string;
  readonly port: number | undefined;
}

/** Longest host accepted, in bytes (RFC 1035 §2.3.4 allows 255). */
export const MAX_HOST = 255;

/** Parses what stands between two indexes, all of it. */
export function parseHostPort(text: string, from = 0, to = text.length): HostPort {
  const hostEnd = text.charCodeAt(from) === 0x5b ? ipv6End(text, from, to) : nameEnd(text, from, to);
  if (hostEnd - from > MAX_HOST) throw new SipParseError('too-long', 'Host Too Long');
  const host = text.slice(from, hostEnd);
  if (hostEnd === to) return { host, port: undefined };
  const port = parseDecimal(text, hostEnd + 1, to);
  if (text.charCodeAt(hostEnd) !== 0x3a || port < 0 || port > 65_535) {
    throw new SipParseError('uri', 'Malformed Port');
  }
  return { host, port };
}

/** The pair as text. */
export function printHostPort({ host, port }: HostPort): string {
  return port === undefined ? host : `${host}:${port}`;
}

function nameEnd(text: string, from: number, to: number): number {
  const colon = text.indexOf(':', from);
  const end = colon < 0 || colon > to ? to : colon;
  if (!isHostName(text, from, end)) throw new SipParseError('uri', 'Malformed Host');
  return end;
}

function ipv6End(text: string, from: number, to: number): number {
  const close = text.indexOf(']', from);
  if (close < 0 || close >= to || close - from < 3) throw new SipParseError('uri', 'Malformed Host');
  for (let at = from + 1; at < close; at++) {
    const code = text.charCodeAt(at);
    const isHex = (code >= 0x30 && code <= 0x3a) || ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x66);
    if (!isHex && code !== 0x2e) throw new SipParseError('uri', 'Malformed Host');
  }
  return close + 1;
}
