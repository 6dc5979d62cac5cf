// What a description says about one media section: address, RTCP, direction, attributes. RFC 8866, 3264, 3605, 5761.
// Reads only; an attribute at session level counts where the section has none of its own.
import { isIPv4, isIPv6 } from 'node:net';
import { SdpError } from './sdp-error.ts';
import { parseConnection, type Sdp, type SdpLine, type SdpMedia } from './sdp.ts';

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';
const DIRECTIONS: readonly string[] = ['sendrecv', 'sendonly', 'recvonly', 'inactive'];

/** Name of an a= line in lower case, '' for other lines. Attribute names are compared without case. */
export function attributeName(line: SdpLine): string {
  if (line.type !== 'a') return '';
  const colon = line.value.indexOf(':');
  return (colon < 0 ? line.value : line.value.slice(0, colon)).trim().toLowerCase();
}

/** What follows the colon of an a= line; '' for a property attribute. */
export function attributeValue(line: SdpLine): string {
  const colon = line.value.indexOf(':');
  return colon < 0 ? '' : line.value.slice(colon + 1);
}

/** Values of every a=`name` line, in order. */
export function attributes(lines: readonly SdpLine[], name: string): string[] {
  return lines.filter((line) => attributeName(line) === name).map(attributeValue);
}

export function hasAttribute(lines: readonly SdpLine[], name: string): boolean {
  return lines.some((line) => attributeName(line) === name);
}

/** The address of a section: its own c= line or the session's. */
export function connectionAddress(sdp: Sdp, media: SdpMedia): string | undefined {
  const line = media.lines.find(({ type }) => type === 'c') ?? sdp.session.find(({ type }) => type === 'c');
  return line === undefined ? undefined : parseConnection(line.value);
}

/** Where RTCP goes: a=rtcp (RFC 3605), else the port after RTP's. Throws SdpError `bad-rtcp`. */
export function rtcpAddress(sdp: Sdp, media: SdpMedia): { address: string | undefined; port: number } {
  const address = connectionAddress(sdp, media);
  const [value] = attributes(media.lines, 'rtcp');
  if (value === undefined) return { address, port: media.port + 1 };
  const match = /^(\d{1,5})(?: IN IP([46]) (\S{1,64}))?\s*$/.exec(value);
  const port = Number(match?.[1]);
  const own = match?.[3];
  const literal = own === undefined || (match?.[2] === '4' ? isIPv4(own) : isIPv6(own));
  if (match === null || port < 1 || port > 65535 || !literal) throw new SdpError('bad-rtcp', 'a=rtcp');
  return { address: own ?? address, port };
}

/** The direction of a section; sendrecv unless said (RFC 8866 §6.7). */
export function direction(sdp: Sdp, media: SdpMedia): Direction {
  const own = media.lines.find((line) => DIRECTIONS.includes(attributeName(line)));
  const line = own ?? sdp.session.find((other) => DIRECTIONS.includes(attributeName(other)));
  return line === undefined ? 'sendrecv' : (attributeName(line) as Direction);
}
