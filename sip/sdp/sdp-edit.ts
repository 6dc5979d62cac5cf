// Edits of a description: each returns a new one and leaves every line it does not name as it was.
import type { Sdp, SdpLine, SdpMedia } from './sdp.ts';
import { attributeName } from './sdp-query.ts';

const END = '\r\n';

/** A line of ours. */
export function sdpLine(type: string, value: string): SdpLine {
  return { type, value, end: END };
}

/** Without the a= lines of these names (lower case), but for the lines in `kept`. */
export function withoutAttributes(
  lines: readonly SdpLine[],
  names: ReadonlySet<string>,
  kept?: ReadonlySet<SdpLine>,
): SdpLine[] {
  return lines.filter((line) => kept?.has(line) === true || !names.has(attributeName(line)));
}

/** c= of a section or the session replaced, or put where RFC 8866 §5 wants it (after i=) when there was none. */
export function withConnection(lines: readonly SdpLine[], address: string): SdpLine[] {
  const line = sdpLine('c', `IN IP${address.includes(':') ? 6 : 4} ${address}`);
  if (lines.some(({ type }) => type === 'c')) return lines.map((old) => (old.type === 'c' ? line : old));
  const at = lines[0]?.type === 'i' ? 1 : 0;
  return [...lines.slice(0, at), line, ...lines.slice(at)];
}

/** o= replaced; the line is the second of every parsed description. */
export function withOrigin(sdp: Sdp, value: string): Sdp {
  const session = sdp.session.map((line) => (line.type === 'o' ? { ...line, value } : line));
  return { ...sdp, session };
}

/** A section refused: port 0, formats kept (RFC 3264 §6), no attribute that would still say something. */
export function refusedMedia(media: SdpMedia, protocol: string): SdpMedia {
  const lines = media.lines.filter((line) => attributeName(line) === 'mid');
  return { ...media, protocol, port: 0, lines };
}
