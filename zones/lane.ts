// The lane: the first path segment of every request a client sends to port 8443. It says for which domain, and, when
// something inside is meant, to which host. Both processes read it: edge to refuse nonsense early, core to decide.
// The text comes from an unknown client (in core: from an edge that may be captured), so nothing in it is believed.
// This file says only what the segment means, never whether anyone may go there.
//
//   segment = base64url( domain )                          about the edge itself
//           | base64url( domain "/" protocol "/" host "/" port )   pass on to a host inside
import { isIPv4, isIPv6 } from 'node:net';

/** What a lane says; `domain` and `host` are folded to lower case, an IPv6 `host` is compressed and bare. */
export type Lane =
  | { readonly kind: 'domain'; readonly domain: string }
  | {
      readonly kind: 'proxy';
      readonly domain: string;
      readonly protocol: LaneProtocol;
      readonly host: string;
      readonly port: number;
    };
export type LaneProtocol = 'http' | 'https';

/** Why a segment is not a lane; a closed set, fit to be counted. */
export type LaneFault = 'length' | 'encoding' | 'shape' | 'domain' | 'protocol' | 'host' | 'port';

/** Thrown by {@link parseLane}: the client's fault, answered with 404 and no more. */
export class LaneError extends Error {
  readonly code: LaneFault;
  constructor(code: LaneFault) {
    super(`not a lane: ${code}`);
    this.name = 'LaneError';
    this.code = code;
  }
}

/** Longest segment read, in characters: two DNS names of 253, protocol, port and slashes, in base64. */
export const maxLaneLength = 696;

/**
 * The lane in `segment` (without slashes round it). Padding and the plain base64 alphabet are accepted, since it is
 * not known that every client leaves them out; bits past the end must be zero, so that a lane has one spelling each.
 * Throws {@link LaneError}.
 */
export function parseLane(segment: string): Lane {
  const parts = decodeSegment(segment).split('/');
  const domain = parseDomain(parts[0] ?? '');
  if (parts.length === 1) return { kind: 'domain', domain };
  if (parts.length !== 4) throw new LaneError('shape');
  const [, protocol, host = '', port = ''] = parts;
  if (protocol !== 'http' && protocol !== 'https') throw new LaneError('protocol');
  return { kind: 'proxy', domain, protocol, host: parseHost(host), port: parsePort(port) };
}

/** The one spelling we emit: base64url without padding. */
export function printLane(lane: Lane): string {
  const text =
    lane.kind === 'domain' ? lane.domain : `${lane.domain}/${lane.protocol}/${lane.host}/${lane.port}`;
  return Buffer.from(text, 'latin1').toString('base64url');
}

/**
 * Splits a path into its lane segment and the rest, which keeps its leading slash (`/` when there is none).
 * Undefined when the path has no first segment.
 */
export function splitLanePath(path: string): { segment: string; rest: string } | undefined {
  if (path.charCodeAt(0) !== 0x2f) return undefined;
  const end = path.indexOf('/', 1);
  if (end === -1) return path.length > 1 ? { segment: path.slice(1), rest: '/' } : undefined;
  return end > 1 ? { segment: path.slice(1, end), rest: path.slice(end) } : undefined;
}

function decodeSegment(segment: string): string {
  if (segment.length === 0 || segment.length > maxLaneLength) throw new LaneError('length');
  const digits = /^([A-Za-z0-9+/_-]+)={0,2}$/.exec(segment)?.[1];
  if (digits === undefined) throw new LaneError('encoding');
  if (digits.length !== segment.length && segment.length % 4 !== 0) throw new LaneError('encoding');
  const bytes = Buffer.from(digits, 'base64url');
  const spelled = digits.replaceAll('+', '-').replaceAll('/', '_');
  if (bytes.toString('base64url') !== spelled) throw new LaneError('encoding');
  return bytes.toString('latin1');
}

function parseDomain(text: string): string {
  const name = dnsName(text);
  if (name === undefined || isIPv4(name)) throw new LaneError('domain');
  return name;
}

function parseHost(text: string): string {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text;
  if (!bare.includes('%') && isIPv6(bare)) return new URL(`http://[${bare}]/`).hostname.slice(1, -1);
  const name = bare === text ? dnsName(text) : undefined;
  if (name === undefined) throw new LaneError('host');
  return name;
}

function parsePort(text: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new LaneError('port');
  return port;
}

/**
 * Folded DNS name or dotted IPv4, RFC 1123 §2.1 (letters, digits, hyphen; 63 per label, 253 in all). A name whose
 * last label is a number must be a full dotted quad: resolvers read `2130706433` and `0x7f.1` as addresses too.
 */
function dnsName(text: string): string | undefined {
  if (text.length === 0 || text.length > 253) return undefined;
  const labels = text.toLowerCase().split('.');
  if (!labels.every((label) => /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(label))) return undefined;
  const name = labels.join('.');
  const numeric = /^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? '');
  return numeric && !isIPv4(name) ? undefined : name;
}
