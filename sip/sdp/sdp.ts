// Session descriptions, line by line: RFC 8866. Parsing keeps every line with its own line end, so that what nobody
// edits prints byte for byte as it came. Trusts nothing: size, lines and media sections are bounded, the lines that
// decide where packets go are checked strictly (T-053), names in c= are refused (no DNS from a description, T-017).
// Stricter than the RFC: no FQDN, no multicast, no port count. Laxer: the order of session lines after s= is free.
import { isIPv4, isIPv6 } from 'node:net';
import { SdpError } from './sdp-error.ts';

export const MAX_SDP_BYTES = 32 * 1024;
const MAX_LINES = 1000;
const MAX_LINE_CHARACTERS = 4096;
export const MAX_MEDIA = 16;

/** One line: its letter, what follows the equals sign, and the end it came with. Characters are bytes (latin1). */
export interface SdpLine {
  readonly type: string;
  readonly value: string;
  readonly end: string;
}

/** A media section. `lines` excludes the m= line itself, whose fields stand beside it. */
export interface SdpMedia {
  readonly kind: string;
  readonly port: number;
  readonly protocol: string;
  /** Formats as written, spaces and all. */
  readonly formats: string;
  readonly end: string;
  readonly lines: readonly SdpLine[];
}

export interface Sdp {
  readonly session: readonly SdpLine[];
  readonly media: readonly SdpMedia[];
}

/** Parses a description; throws only SdpError. Takes one pass over the bytes. */
export function parseSdp(bytes: Buffer): Sdp {
  if (bytes.length > MAX_SDP_BYTES) throw new SdpError('too-long', `${bytes.length} bytes`);
  const lines = splitLines(bytes.toString('latin1'));
  const firstMedia = lines.findIndex((line) => line.type === 'm');
  const session = firstMedia < 0 ? lines : lines.slice(0, firstMedia);
  checkSession(session);
  const media = firstMedia < 0 ? [] : splitMedia(lines.slice(firstMedia));
  for (const section of media) checkMedia(section, session);
  return { session, media };
}

/** Prints a description; the inverse of `parseSdp`. */
export function printSdp(sdp: Sdp): Buffer {
  const text = [...sdp.session.map(printLine), ...sdp.media.map(printMedia)].join('');
  return Buffer.from(text, 'latin1');
}

function printLine(line: SdpLine): string {
  return `${line.type}=${line.value}${line.end}`;
}

function printMedia(media: SdpMedia): string {
  const { kind, port, protocol, formats, end } = media;
  return `m=${kind} ${port} ${protocol} ${formats}${end}${media.lines.map(printLine).join('')}`;
}

function splitLines(text: string): SdpLine[] {
  const lines: SdpLine[] = [];
  for (let start = 0; start < text.length;) {
    const feed = text.indexOf('\n', start);
    const next = feed < 0 ? text.length : feed + 1;
    if (lines.length >= MAX_LINES) throw new SdpError('too-many-lines', `over ${MAX_LINES}`);
    lines.push(parseLine(text.slice(start, next)));
    start = next;
  }
  return lines;
}

function parseLine(raw: string): SdpLine {
  const end = raw.endsWith('\r\n') ? '\r\n' : raw.endsWith('\n') ? '\n' : '';
  const body = raw.slice(0, raw.length - end.length);
  if (body.length > MAX_LINE_CHARACTERS) throw new SdpError('too-long', 'a line');
  // oxlint-disable-next-line no-control-regex -- NUL and a bare CR are what must not pass
  if (!/^[a-z]=[^\0\r\n]*$/.test(body)) throw new SdpError('bad-line', 'not a letter, =, and text');
  return { type: body[0]!, value: body.slice(2), end: end === '' ? '\r\n' : end };
}

function splitMedia(lines: readonly SdpLine[]): SdpMedia[] {
  const media: { head: SdpLine; lines: SdpLine[] }[] = [];
  for (const line of lines) {
    if (line.type === 'm') media.push({ head: line, lines: [] });
    else media.at(-1)!.lines.push(line);
    if (media.length > MAX_MEDIA) throw new SdpError('too-many-media', `over ${MAX_MEDIA}`);
  }
  return media.map(({ head, lines: own }) => ({ ...parseMediaLine(head), lines: own }));
}

/** m=<media> <port> <proto> <fmt> …, exactly one space between the first fields. */
function parseMediaLine(line: SdpLine): Omit<SdpMedia, 'lines'> {
  const match = /^([A-Za-z0-9._-]{1,32}) (\d{1,5}) ([A-Za-z0-9/._-]{1,64}) (\S.*)$/.exec(line.value);
  if (match === null) throw new SdpError('bad-media', 'm= is not media, port, protocol, formats');
  const port = Number(match[2]);
  if (port > 65535) throw new SdpError('bad-media', 'port above 65535');
  return { kind: match[1]!, port, protocol: match[3]!, formats: match[4]!, end: line.end };
}

function checkSession(session: readonly SdpLine[]): void {
  const [version, origin, name] = session;
  if (version?.type !== 'v' || version.value.trim() !== '0')
    throw new SdpError('bad-version', 'v=0 must be first');
  if (origin?.type !== 'o') throw new SdpError('missing-line', 'o= must follow v=');
  parseOrigin(origin.value);
  if (name?.type !== 's') throw new SdpError('missing-line', 's= must follow o=');
  if (!session.some((line) => line.type === 't')) throw new SdpError('missing-line', 't=');
  for (const type of ['v', 'o', 's', 'c'] as const) {
    if (session.filter((line) => line.type === type).length > 1)
      throw new SdpError('bad-line', `${type}= twice`);
  }
  for (const line of session) if (line.type === 'c') parseConnection(line.value);
}

function checkMedia(media: SdpMedia, session: readonly SdpLine[]): void {
  const connections = media.lines.filter((line) => line.type === 'c');
  if (connections.length > 1) throw new SdpError('bad-connection', 'c= twice in one section');
  for (const line of connections) parseConnection(line.value);
  const any = connections.length > 0 || session.some((line) => line.type === 'c');
  if (!any && media.port !== 0) throw new SdpError('missing-line', 'c=');
}

export interface Origin {
  readonly username: string;
  readonly sessionId: string;
  readonly version: string;
  readonly rest: string;
}

/** o=<username> <sess-id> <sess-version> <nettype> <addrtype> <address>. */
export function parseOrigin(value: string): Origin {
  const match = /^(\S{1,128}) (\d{1,20}) (\d{1,20}) (IN IP[46] \S{1,255}) ?$/.exec(value);
  if (match === null) throw new SdpError('bad-origin', 'o= has six fields');
  return { username: match[1]!, sessionId: match[2]!, version: match[3]!, rest: match[4]! };
}

/** The literal unicast address of a c= line. */
export function parseConnection(value: string): string {
  const match = /^IN IP([46]) (\S{1,64}) ?$/.exec(value);
  const address = match?.[2] ?? '';
  const literal = match?.[1] === '4' ? isIPv4(address) : isIPv6(address) && !address.includes('%');
  if (!literal || isMulticast(address))
    throw new SdpError('bad-connection', 'c= needs a literal unicast address');
  return address;
}

function isMulticast(address: string): boolean {
  const first = Number(address.split('.')[0]);
  return address.includes(':') ? /^ff/i.test(address) : first >= 224;
}
