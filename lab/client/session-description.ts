// The session descriptions a simple phone writes and reads (RFC 8866, RFC 3264, RFC 4568): one audio stream, G.711
// µ-law and telephone events, plain or with SDES keys. Written here on purpose and not taken from the product's
// own SDP room, so that the two are two opinions of the same standard.

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive';

/** One `a=crypto` line: suite and master key with salt. */
export interface SdesKey {
  readonly tag: number;
  readonly suite: string;
  /** Base64 of master key and salt. */
  readonly inline: string;
}

/** What matters of the audio stream on one side. */
export interface AudioDescription {
  readonly address: string;
  readonly port: number;
  readonly direction: Direction;
  readonly isSecure: boolean;
  readonly keys: readonly SdesKey[];
  /** Separate RTCP on the next port unless multiplexed. */
  readonly rtcpMux: boolean;
}

export interface DescriptionParts extends AudioDescription {
  readonly user: string;
  readonly sessionId: number;
  /** Rises by one each time the description changes (RFC 3264 §8). */
  readonly version: number;
}

export class DescriptionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'DescriptionError';
  }
}

/** Writes an offer or answer. */
export function printDescription(parts: DescriptionParts): Buffer {
  const profile = parts.isSecure ? 'RTP/SAVP' : 'RTP/AVP';
  const lines = [
    'v=0',
    `o=${parts.user} ${parts.sessionId} ${parts.version} IN IP4 ${parts.address}`,
    's=SIP Call',
    `c=IN IP4 ${parts.address}`,
    't=0 0',
    `m=audio ${parts.port} ${profile} 0 101`,
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/8000',
    'a=fmtp:101 0-15',
    'a=ptime:20',
    ...parts.keys.map((key) => `a=crypto:${key.tag} ${key.suite} inline:${key.inline}`),
    ...(parts.rtcpMux ? ['a=rtcp-mux'] : []),
    `a=${parts.direction}`,
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n`, 'latin1');
}

/** Reads the first audio stream of an offer or answer. Throws DescriptionError. */
export function parseDescription(body: Buffer): AudioDescription {
  const lines = body.toString('latin1').split(/\r?\n/);
  const start = lines.findIndex((line) => line.startsWith('m=audio '));
  if (start < 0) throw new DescriptionError('no audio stream');
  const next = lines.findIndex((line, index) => index > start && line.startsWith('m='));
  const session = lines.slice(
    0,
    lines.findIndex((line) => line.startsWith('m=')),
  );
  const media = lines.slice(start, next < 0 ? undefined : next);
  const [, port = '', profile = '', ...formats] = media[0]!.split(' ');
  if (!formats.includes('0')) throw new DescriptionError('no G.711 µ-law');
  return {
    address: connectionAddress(media) ?? connectionAddress(session) ?? '',
    port: Number(port),
    direction: direction(media) ?? direction(session) ?? 'sendrecv',
    isSecure: profile === 'RTP/SAVP',
    keys: media.flatMap(cryptoLine),
    rtcpMux: media.includes('a=rtcp-mux'),
  };
}

/** What to answer to an offered direction when this side wants to send and receive. */
export function answerDirection(offered: Direction): Direction {
  if (offered === 'sendonly') return 'recvonly';
  return offered === 'recvonly' ? 'sendonly' : offered;
}

function connectionAddress(lines: readonly string[]): string | undefined {
  return lines.map((line) => /^c=IN IP4 (\S+)$/.exec(line)?.[1]).find((found) => found !== undefined);
}

function direction(lines: readonly string[]): Direction | undefined {
  const found = lines.map((line) => /^a=(sendrecv|sendonly|recvonly|inactive)$/.exec(line)?.[1]);
  return found.find((value) => value !== undefined) as Direction | undefined;
}

function cryptoLine(line: string): SdesKey[] {
  const match = /^a=crypto:(\d{1,9}) ([A-Z0-9_]+) inline:([A-Za-z0-9+/=]+)(?:\||\s|$)/.exec(line);
  if (match === null) return [];
  return [{ tag: Number(match[1]), suite: match[2]!, inline: match[3]! }];
}
