// One media section of a description, read and rewritten: what we own changes, all else stays as it came.
// RFC 3264, 4568, 5761. Pure. DTLS-SRTP and bundling end here: media goes through the anchor. So does ICE, unless the
// lines of it that may go on are named.
import {
  attributes,
  connectionAddress,
  direction,
  hasAttribute,
  rtcpAddress,
  sdpLine,
  withConnection,
  withoutAttributes,
  type CryptoAttribute,
  type Sdp,
  type SdpLine,
  type SdpMedia,
} from '../../sip/sdp/index.ts';
import type { TransportAddress } from '../../turn/index.ts';
import type { MediaKind } from '../../zones/media-link/index.ts';
import { usableCrypto } from './leg-keys.ts';
import type { DirectPlace } from './passed-section.ts';

/** What a section's transport is to us. */
export type SectionContent = 'rtp' | 'opaque' | 'unsupported';

/** UDP protocols relayed unread: BFCP (RFC 8855, 8856) and the iX channel of ActiveControl. */
const OPAQUE = new Set(['UDP/BFCP', 'UDP/TLS/BFCP', 'UDP/DTLS/BFCP', 'UDP/UDT/IX']);
const RTP = new Set(['RTP/AVP', 'RTP/AVPF', 'RTP/SAVP', 'RTP/SAVPF']);

const ICE = [
  'candidate',
  'remote-candidates',
  'end-of-candidates',
  'ice-ufrag',
  'ice-pwd',
  'ice-options',
  'ice-lite',
  'ice-mismatch',
  'ice-pacing',
];
/** Other places and other profiles to choose from (RFC 6947, 4570, 5939, 6871): media would pass us, or keys cross. */
const ALTERNATIVES = [
  'alt',
  'altc',
  'source-filter',
  'csup',
  'creq',
  'acap',
  'tcap',
  'pcfg',
  'acfg',
  'rmcap',
  'omcap',
  'mfcap',
  'mscap',
  'bcap',
  'ccap',
  'icap',
  'lcfg',
  'sescap',
];
const DTLS = ['fingerprint', 'setup', 'tls-id'];
const OWN_OF_RTP = new Set([
  ...ICE,
  ...ALTERNATIVES,
  ...DTLS,
  'crypto',
  'key-mgmt',
  'rtcp',
  'rtcp-mux',
  'rtcp-mux-only',
  'x-cisco-srtp-fallback',
]);
const OWN_OF_OPAQUE = new Set([...ICE, ...ALTERNATIVES]);
const OWN_OF_SESSION = new Set([...ICE, ...ALTERNATIVES, 'group', 'key-mgmt', 'x-cisco-srtp-fallback']);
const OWN_OF_SESSION_WITHOUT_DTLS = new Set([...OWN_OF_SESSION, ...DTLS]);

export interface Section {
  readonly kind: MediaKind;
  /** Of RTP timestamps in Hz, as its first format says. */
  readonly clockRate: number;
  readonly content: SectionContent;
  /** False for port 0: the section is refused or over. */
  readonly active: boolean;
  /** RTP/SAVP[F]: whoever writes this wants no plain RTP. */
  readonly secure: boolean;
  readonly crypto: readonly CryptoAttribute[];
  readonly mux: boolean;
  /** Where its writer wants packets; undefined on hold by 0.0.0.0 (RFC 2543's way). */
  readonly rtp: TransportAddress | undefined;
  readonly rtcp: TransportAddress | undefined;
  /** It will send but not receive: music on hold, often from another port than it names. */
  readonly sendOnly: boolean;
  /** It neither sends nor wants packets. */
  readonly silent: boolean;
}

/** Reads the section at `index`. Throws SdpError. */
export function readSection(sdp: Sdp, index: number): Section {
  const media = sdp.media[index]!;
  const protocol = media.protocol.toUpperCase();
  const content = RTP.has(protocol) ? 'rtp' : OPAQUE.has(protocol) ? 'opaque' : 'unsupported';
  const address = connectionAddress(sdp, media);
  const held = address === undefined || isUnspecified(address);
  const rtcp = rtcpAddress(sdp, media);
  return {
    kind: media.kind === 'audio' || media.kind === 'video' ? media.kind : 'other',
    clockRate: clockRate(media),
    content,
    active: media.port !== 0,
    secure: protocol.startsWith('RTP/SAVP'),
    crypto: usableCrypto(attributes(media.lines, 'crypto')),
    mux: hasAttribute(media.lines, 'rtcp-mux'),
    rtp: held ? undefined : { address, port: media.port },
    rtcp: held || rtcp.port > 65535 ? undefined : { address: rtcp.address ?? address, port: rtcp.port },
    sendOnly: direction(sdp, media) === 'sendonly',
    silent: held || direction(sdp, media) === 'inactive',
  };
}

/** From a=rtpmap of the first format; without one, what static payload types of its kind have (RFC 3551 §6). */
function clockRate({ kind, formats, lines }: SdpMedia): number {
  const [format = ''] = formats.trim().split(' ');
  const map = attributes(lines, 'rtpmap').find((value) => value.startsWith(`${format} `));
  const rate = Number(/\/(\d{1,6})(\/|$)/.exec(map ?? '')?.[1] ?? 0);
  return rate > 0 ? rate : kind === 'video' ? 90_000 : 8000;
}

function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** What a section says about us on the leg that it is written for. */
export interface OwnTransport {
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
  readonly crypto: readonly string[];
  readonly mux: boolean;
  /** Lines of the description that go on as they came although they are of ICE, SRTP or multiplexing. */
  readonly passed?: ReadonlySet<SdpLine>;
  /** Values of a= lines to add: the traversal path among the candidates. */
  readonly added?: readonly string[];
  /** Stands first in place of our address and port. */
  readonly direct?: DirectPlace | undefined;
}

/** The section for the other leg. An address that says hold goes on saying hold. */
export function writeSection(media: SdpMedia, content: SectionContent, own: OwnTransport): SdpMedia {
  const owned = content === 'rtp' ? OWN_OF_RTP : OWN_OF_OPAQUE;
  const kept = withoutKeys(withoutAttributes(media.lines, owned, own.passed));
  const added = [...own.crypto.map((value) => `crypto:${value}`), ...(own.added ?? [])].map((value) =>
    sdpLine('a', value),
  );
  if (own.mux) added.push(sdpLine('a', 'rtcp-mux'));
  const { direct } = own;
  if (direct !== undefined) {
    if (direct.rtcp !== undefined) added.push(sdpLine('a', `rtcp:${direct.rtcp}`));
    const lines = [...withConnection(kept, direct.address), ...added];
    return { ...media, port: direct.port, protocol: own.protocol, lines };
  }
  return {
    ...media,
    port: own.port,
    protocol: own.protocol,
    lines: [...replaceConnection(kept, own.address), ...added],
  };
}

/** The session part for the other leg: our address, nothing of ICE or bundling; DTLS only for sections relayed with it. */
export function writeSession(
  session: Sdp['session'],
  address: string,
  fallback: boolean,
  media: readonly SdpMedia[],
  passed?: ReadonlySet<SdpLine>,
): Sdp['session'] {
  const relaysDtls = media.some(({ port, protocol }) => port !== 0 && /^UDP\/D?TLS\//i.test(protocol));
  const own = relaysDtls ? OWN_OF_SESSION : OWN_OF_SESSION_WITHOUT_DTLS;
  const lines = replaceConnection(withoutKeys(withoutAttributes(session, own, passed)), address);
  return fallback ? [...lines, sdpLine('a', 'X-cisco-srtp-fallback')] : lines;
}

/** k= says a key in the clear (RFC 8866 §5.12: MUST NOT be used). */
function withoutKeys(lines: Sdp['session']): Sdp['session'] {
  return lines.filter(({ type }) => type !== 'k');
}

function replaceConnection(lines: Sdp['session'], address: string): Sdp['session'] {
  const own = lines.find((line) => line.type === 'c');
  if (own === undefined || isUnspecified(own.value.split(' ')[2] ?? '')) return lines;
  return withConnection(lines, address);
}

/** The RTP profile with or without SRTP; feedback (AVPF) stays as it was. */
export function profile(protocol: string, secure: boolean): string {
  return `RTP/${secure ? 'S' : ''}AVP${protocol.toUpperCase().endsWith('F') ? 'F' : ''}`;
}
