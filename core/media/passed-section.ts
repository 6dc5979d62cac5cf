// A section whose SRTP keys and ICE go on as they came, because signalling is sealed from end to end (guide X14.3,
// "Signaling Path Encryption Between Expressway-C and Unified CM"). Only lines that we could carry ourselves go on: what
// the far end may choose, the traversal path must be able to check.
// Trusts no description; the answer must choose among what was offered (RFC 4568 §5.1.2).
import { findSuite } from '../../media/index.ts';
import {
  attributeName,
  attributes,
  attributeValue,
  connectionAddress,
  parseCrypto,
  type CryptoAttribute,
  type Sdp,
  type SdpLine,
} from '../../sip/sdp/index.ts';
import type { MediaSide } from '../sip/media-anchor.ts';
import { readIce, type IceReading, type SectionIce } from './ice-section.ts';

export interface PassedSection {
  readonly crypto: readonly CryptoAttribute[];
  readonly ice: SectionIce | undefined;
  /** Everything that goes on untouched: keys, candidates, multiplexing. */
  readonly lines: ReadonlySet<SdpLine>;
  /** Where its writer is, as the description puts it first; undefined on hold. */
  readonly place: DirectPlace | undefined;
}

/** An end's own address in place of ours, with where its RTCP is when that is said. */
export interface DirectPlace {
  readonly address: string;
  readonly port: number;
  readonly rtcp: string | undefined;
}

/** The section of an offer; undefined when it has no ICE that may pass or no key that we know. */
export function passSection(
  sdp: Sdp,
  index: number,
  from: MediaSide,
  reading: IceReading,
): PassedSection | undefined {
  const keys = keyLines(sdp, index);
  if (keys.size === 0) return undefined;
  const ice = readIce(sdp, index, from, reading);
  return ice === undefined ? undefined : passed(sdp, index, keys, ice);
}

/** What an answer has chosen of a section that was passed on; undefined when it chose no key of it. */
export function answerPassage(
  offer: PassedSection,
  sdp: Sdp,
  index: number,
  from: MediaSide,
  reading: IceReading,
): { offered: CryptoAttribute; answered: CryptoAttribute; passed: PassedSection } | undefined {
  for (const [line, answered] of keyLines(sdp, index)) {
    const offered = offer.crypto.find(({ tag, suite }) => tag === answered.tag && suite === answered.suite);
    if (offered === undefined) continue;
    const ice = readIce(sdp, index, from, reading);
    return { offered, answered, passed: passed(sdp, index, new Map([[line, answered]]), ice) };
  }
  return undefined;
}

/** Two directions under one key would share a keystream (RFC 4568 §6.1). */
export function isReflected({
  offered,
  answered,
}: {
  offered: CryptoAttribute;
  answered: CryptoAttribute;
}): boolean {
  return offered.key.equals(answered.key) && offered.salt.equals(answered.salt);
}

function keyLines(sdp: Sdp, index: number): Map<SdpLine, CryptoAttribute> {
  const found = new Map<SdpLine, CryptoAttribute>();
  for (const line of sdp.media[index]!.lines) {
    if (attributeName(line) !== 'crypto') continue;
    const parsed = parseCrypto(attributeValue(line), findSuite);
    if (typeof parsed !== 'string') found.set(line, parsed);
  }
  return found;
}

function passed(
  sdp: Sdp,
  index: number,
  keys: ReadonlyMap<SdpLine, CryptoAttribute>,
  ice: SectionIce | undefined,
): PassedSection {
  const mux = sdp.media[index]!.lines.filter((line) => attributeName(line) === 'rtcp-mux');
  const lines = new Set([...keys.keys(), ...(ice?.lines ?? []), ...mux]);
  return { crypto: [...keys.values()], ice, lines, place: placeOf(sdp, index) };
}

function placeOf(sdp: Sdp, index: number): DirectPlace | undefined {
  const media = sdp.media[index]!;
  const address = connectionAddress(sdp, media);
  if (address === undefined || address === '0.0.0.0' || address === '::') return undefined;
  return { address, port: media.port, rtcp: attributes(media.lines, 'rtcp')[0] };
}
