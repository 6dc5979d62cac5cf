// What a section says of ICE, and which of its lines may go on to the other leg untouched (RFC 8839 §5).
// Trusts no line: candidates are strangers' addresses. A section goes on whole in its ICE or without any of it; single
// candidates that name nothing a far client could use, or that the operator forbids, are left out (T-017, T-174).
// The traversal path stands among the candidates as the last choice: its foundation says so to the next core.
import {
  attributeName,
  attributes,
  attributeValue,
  connectionAddress,
  hasAttribute,
  isIcePassword,
  isIceUfrag,
  parseCandidate,
  parseRemoteCandidates,
  type Candidate,
  type CandidateType,
  type Sdp,
  type SdpLine,
} from '../../sip/sdp/index.ts';
import { canonicalAddress, type TransportAddress } from '../../turn/index.ts';

/** Most candidates of one section: a client with four interfaces, two families and two TURN servers has about 40. */
const MAX_CANDIDATES = 64;
/**
 * Foundation of the candidate that is the traversal path. Towards the next core it goes on with what kind of candidate
 * the client sends from, and whether ICE has chosen it: `viaduct+host`, `viaduct+relay+chosen`.
 */
const ANCHOR = 'viaduct';

/**
 * Which candidate of its own a client's media uses. `none`: the traversal path; `edge`: an address of an edge that it
 * learned from a check, which is the traversal path, or a relay of the edge's TURN server.
 */
export type Selected = 'none' | 'edge' | 'host' | 'srflx' | 'relay';

/** Credentials by which a connectivity check is told from a forgery (RFC 8445 §7.3). */
export interface IceCredentials {
  readonly ufrag: string;
  readonly password: string;
}

/** What a core tells the next one of its client. */
export interface FarNote {
  readonly selected: Selected;
  /** ICE has chosen it; else it is where the client's media would begin. */
  readonly isChosen: boolean;
}

export interface SectionIce extends IceCredentials {
  readonly candidates: readonly Candidate[];
  /** The section's ICE lines that go on as they are. */
  readonly lines: ReadonlySet<SdpLine>;
  /** Whether candidates for RTCP on a port of its own are there. */
  readonly hasRtcp: boolean;
  /** It was written after ICE had concluded: it names the other end's chosen addresses (§4.4.2). */
  readonly isConcluded: boolean;
  /** Where the other end's RTP is, when one address is named. COMPAT(baresip 1.0.0): names all that it was offered. */
  readonly remote: TransportAddress | undefined;
  /** From inside: what the far client sends from, as its core has noted. */
  readonly far: FarNote | undefined;
  /** From inside: where the traversal path goes on, whatever address the description puts first. */
  readonly anchor: TransportAddress | undefined;
}

export interface IceReading {
  readonly isDenied: (address: string) => boolean;
  /** Whether an address is that of an edge, where the traversal path begins for a client. */
  readonly isAnchor: (address: string) => boolean;
  readonly count: (event: string, reason?: string) => void;
}

/** Whether the section at `index` offers candidates at all, whatever becomes of them. */
export function offersCandidates(sdp: Sdp, index: number): boolean {
  return hasAttribute(sdp.media[index]!.lines, 'candidate');
}

/**
 * ICE of a client's section, or of a far client's whose core stands before an inside one; undefined when there is
 * none that may go on. From inside only another core's traversal path vouches for the candidates beside it: those of
 * a device in the company would tell the world its addresses.
 */
export function readIce(
  sdp: Sdp,
  index: number,
  from: 'client' | 'inside',
  reading: IceReading,
): SectionIce | undefined {
  const { lines } = sdp.media[index]!;
  if (!hasAttribute(lines, 'candidate')) return undefined;
  const refuse = (reason: string): undefined => {
    reading.count('ice-section-refused', reason);
  };
  const credentials = credentialsOf(sdp, lines);
  if (credentials === undefined) return refuse('credentials');
  if (lines.filter((line) => attributeName(line) === 'candidate').length > MAX_CANDIDATES)
    return refuse('too-many-candidates');
  const anchors = from === 'inside' ? anchorsOf(sdp, index) : [];
  if (from === 'inside' && anchors.length === 0) return refuse('inside-device');
  const kept = admitLines(lines, reading);
  const candidates = [...kept.values()].filter((candidate) => candidate !== undefined);
  if (candidates.length === 0 && from === 'client') return refuse('no-candidate');
  return {
    ...credentials,
    candidates,
    lines: new Set(kept.keys()),
    hasRtcp: [...candidates, ...anchors].some(({ component }) => component === 2),
    ...conclusionOf(lines),
    far: anchors.map(noteOf).find((note) => note !== undefined),
    anchor: anchors.find(({ component }) => component === 1),
  };
}

function credentialsOf(sdp: Sdp, lines: readonly SdpLine[]): IceCredentials | undefined {
  const value = (name: string): string | undefined =>
    (attributes(lines, name)[0] ?? attributes(sdp.session, name)[0])?.trimEnd();
  const [ufrag, password] = [value('ice-ufrag'), value('ice-pwd')];
  return isIceUfrag(ufrag) && isIcePassword(password) ? { ufrag, password } : undefined;
}

/** ICE lines that go on, with the candidate that a line is. */
function admitLines(lines: readonly SdpLine[], reading: IceReading): Map<SdpLine, Candidate | undefined> {
  const kept = new Map<SdpLine, Candidate | undefined>();
  for (const line of lines) {
    const name = attributeName(line);
    if (name === 'candidate') {
      const candidate = admitCandidate(attributeValue(line), reading);
      if (candidate !== undefined) kept.set(line, candidate);
    } else if (isPassed(line) || (name === 'remote-candidates' && isMeaningful(line, reading)))
      kept.set(line, undefined);
  }
  return kept;
}

/** Chosen addresses of the far client are told to it, unless they are our own, which it does not know as its own. */
function isMeaningful(line: SdpLine, { isAnchor: isOurs }: IceReading): boolean {
  const found = parseRemoteCandidates(attributeValue(line));
  return found !== undefined && !found.some(({ address }) => isOurs(address));
}

/** Attributes of a section that go on beside its candidates. */
const PASSED = new Set([
  'end-of-candidates',
  'ice-ufrag',
  'ice-pwd',
  'ice-lite',
  'ice-mismatch',
  'ice-pacing',
]);

/** a=ice-options goes on unless it says `trickle`: candidates in INFO (RFC 8840) would pass unread. */
function isPassed(line: SdpLine): boolean {
  const name = attributeName(line);
  return name === 'ice-options' ? !/(?:^|\s)trickle(?:\s|$)/.test(attributeValue(line)) : PASSED.has(name);
}

/** ICE of the session part that goes on when a section's does. */
export function sessionIce(session: Sdp['session']): ReadonlySet<SdpLine> {
  return new Set(session.filter((line) => line.type === 'a' && isPassed(line)));
}

function admitCandidate(value: string, { isDenied, count }: IceReading): Candidate | undefined {
  const candidate = parseCandidate(value);
  if (typeof candidate !== 'string' && isAnchor(candidate)) return undefined;
  const refusal = typeof candidate === 'string' ? candidate : isDenied(candidate.address) && 'denied-address';
  if (typeof candidate !== 'string' && refusal === false) return candidate;
  count('ice-candidate-dropped', refusal || undefined);
  return undefined;
}

function isAnchor({ foundation }: Candidate): boolean {
  return foundation === ANCHOR || foundation.startsWith(`${ANCHOR}+`);
}

/** Traversal candidates that a core before us put in: they name the place media is sent to, unless ICE has chosen another. */
function anchorsOf(sdp: Sdp, index: number): Candidate[] {
  const media = sdp.media[index]!;
  const address = connectionAddress(sdp, media);
  return attributes(media.lines, 'candidate')
    .map(parseCandidate)
    .filter((candidate) => typeof candidate !== 'string')
    .filter(isAnchor)
    .filter(
      (candidate) =>
        noteOf(candidate)?.isChosen === true ||
        (candidate.address === address && candidate.port === media.port + candidate.component - 1),
    );
}

function noteOf({ foundation }: Candidate): FarNote | undefined {
  const [, word, chosen] = foundation.split('+');
  const selected = SELECTED.find((known) => known === word);
  return selected && { selected, isChosen: chosen === 'chosen' };
}

const SELECTED: readonly Selected[] = ['none', 'edge', 'host', 'srflx', 'relay'];

function conclusionOf(lines: readonly SdpLine[]): Pick<SectionIce, 'isConcluded' | 'remote'> {
  const [value] = attributes(lines, 'remote-candidates');
  const found = value === undefined ? undefined : parseRemoteCandidates(value);
  const [remote, another] = (found ?? []).filter(({ component }) => component === 1);
  return { isConcluded: remote !== undefined, remote: another === undefined ? remote : undefined };
}

/**
 * a=candidate lines of the traversal path, worse than any other candidate: the least priorities that there are. By the
 * formula of RFC 8445 §5.1.2 they would be those of a client's own relay, which is one hop nearer.
 */
export function anchorCandidates(
  place: TransportAddress,
  hasRtcp: boolean,
  note: FarNote | undefined,
): string[] {
  const words = note === undefined ? [] : [note.selected, ...(note.isChosen ? ['chosen'] : [])];
  const foundation = [ANCHOR, ...words].join('+');
  const origin = place.address.includes(':') ? '::' : '0.0.0.0';
  return (hasRtcp ? [1, 2] : [1]).map((component) => {
    const port = place.port + component - 1;
    const typed = `typ relay raddr ${origin} rport 9`;
    return `candidate:${foundation} ${component} UDP ${3 - component} ${place.address} ${port} ${typed}`;
  });
}

/** Which of its candidates a client says that it sends from: a section's own address, after ICE has concluded. */
export function selectedOfPlace(
  place: TransportAddress,
  candidates: readonly Candidate[],
  isOurs: (address: string) => boolean,
): Selected {
  const address = canonicalAddress(place.address);
  const match = candidates.find(
    (candidate) =>
      candidate.component === 1 &&
      candidate.port === place.port &&
      canonicalAddress(candidate.address) === address,
  );
  // An address that nobody listed was learned from a check: a NAT made it, as it makes a server-reflexive one.
  const isLearned = match === undefined || match.type === 'prflx';
  if (isLearned && isOurs(place.address)) return 'edge';
  return isLearned ? 'srflx' : SELECTED_BY_TYPE[match.type];
}

const SELECTED_BY_TYPE: Readonly<Record<CandidateType, Selected>> = {
  host: 'host',
  srflx: 'srflx',
  prflx: 'srflx',
  relay: 'relay',
};
