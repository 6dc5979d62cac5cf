// One section of an offer or an answer, judged: whether we can carry it, by which key of each leg, and what of it may go
// on as it came. RFC 3264 §6, RFC 4568 §5.1. Changes nothing; an answer that is none is thrown back whole.
import type { CryptoAttribute, Sdp } from '../../sip/sdp/index.ts';
import type { MediaSide } from '../sip/media-anchor.ts';
import type { EncryptionPolicy } from './core-media-options.ts';
import type { IceReading } from './ice-section.ts';
import { chooseCrypto, type LegKeys } from './leg-keys.ts';
import { MediaRefusal } from './media-refusal.ts';
import { answerPassage, isReflected, passSection, type PassedSection } from './passed-section.ts';
import { readSection, type Section } from './section.ts';

/** What was offered at one index and whether we can carry it. */
export interface Plan {
  readonly section: Section;
  readonly usable: boolean;
  /** The a=crypto line of the offer that we take. */
  readonly chosen: CryptoAttribute | undefined;
  /** Its keys and candidates went on as they came. */
  readonly passed: PassedSection | undefined;
}

/** One index of an answer that is agreed with these crypto lines. */
export interface Agreed {
  readonly refused: false;
  readonly section: Section;
  readonly client: CryptoAttribute | undefined;
  readonly inside: CryptoAttribute | undefined;
  /** Keys are the two ends': what of the answer goes on as it came. */
  readonly passed?: PassedSection | undefined;
}

export type Verdict = { readonly refused: true } | Agreed;

export interface SectionRules {
  readonly insideEncryption: EncryptionPolicy;
  /** Keys and candidates may go on as they came. */
  readonly mayPassIce: boolean;
  readonly iceReading: IceReading;
}

/** Keys of a line's two legs; undefined before there is one. */
type LineKeys = { readonly clientKeys: LegKeys; readonly insideKeys: LegKeys } | undefined;

/** The section at `index` of an offer. */
export function planSection(
  from: MediaSide,
  sdp: Sdp,
  index: number,
  line: LineKeys,
  rules: SectionRules,
): Plan {
  const section = readSection(sdp, index);
  const keys = from === 'client' ? line?.clientKeys : line?.insideKeys;
  const chosen = section.content === 'rtp' ? choose(from, section, keys, rules) : undefined;
  const plan = (usable: boolean): Plan => {
    const passed = usable ? passedOf(from, sdp, section, index, rules) : undefined;
    return { section, usable, chosen, passed };
  };
  if (!section.active || section.content === 'unsupported') return plan(false);
  if (section.content === 'opaque') return plan(true);
  if (chosen !== undefined && keys?.reflects(chosen) === true) return plan(false);
  return plan(chosen !== undefined || mayBePlain(from, section, rules));
}

/** What of a section may go on as it came; undefined where media has to end here. */
function passedOf(
  from: MediaSide,
  sdp: Sdp,
  section: Section,
  index: number,
  { mayPassIce, iceReading }: SectionRules,
): PassedSection | undefined {
  if (!mayPassIce || section.content !== 'rtp') return undefined;
  return passSection(sdp, index, from, iceReading);
}

function choose(
  from: MediaSide,
  section: Section,
  keys: LegKeys | undefined,
  { insideEncryption }: SectionRules,
): CryptoAttribute | undefined {
  if (from === 'inside' && insideEncryption === 'off') return undefined;
  return keys === undefined ? chooseCrypto(section.crypto) : keys.choose(section.crypto);
}

/** Plain RTP: never outside; inside unless it says RTP/SAVP or the policy asks for SRTP. */
function mayBePlain(from: MediaSide, section: Section, { insideEncryption }: SectionRules): boolean {
  return from === 'inside' && !section.secure && insideEncryption !== 'on';
}

/** The section at `index` of an answer to `plan`. Throws MediaRefusal `bad-answer`. */
export function judgeSection(
  from: MediaSide,
  plan: Plan,
  sdp: Sdp,
  index: number,
  line: LineKeys,
  rules: SectionRules,
): Verdict {
  const section = readSection(sdp, index);
  if (!plan.usable || !section.active) return { refused: true };
  if (section.content !== plan.section.content)
    throw new MediaRefusal('bad-answer', 'Media protocol differs');
  if (section.content === 'opaque') return { refused: false, section, client: undefined, inside: undefined };
  if (plan.passed !== undefined) return judgePassed(from, plan, plan.passed, sdp, index, section, rules);
  if (from === 'inside')
    return { refused: false, section, client: plan.chosen, inside: judgeInside(line, section, rules) };
  const client = line?.clientKeys.matchAnswer(section.crypto);
  if (client === undefined || line?.clientKeys.reflects(client) === true)
    throw new MediaRefusal('bad-answer', 'SRTP required');
  return { refused: false, section, client, inside: plan.chosen };
}

/** An answer to keys that were passed on: one of them, or plain RTP from inside where that is allowed. */
function judgePassed(
  from: MediaSide,
  { chosen }: Plan,
  offer: PassedSection,
  sdp: Sdp,
  index: number,
  section: Section,
  rules: SectionRules,
): Agreed {
  const match = answerPassage(offer, sdp, index, from, rules.iceReading);
  if (match === undefined) {
    if (section.crypto.length > 0 || !mayBePlain(from, section, rules))
      throw new MediaRefusal('bad-answer', 'SRTP required');
    return { refused: false, section, client: chosen, inside: undefined };
  }
  if (isReflected(match)) throw new MediaRefusal('bad-answer', 'SRTP required');
  const { answered, offered, passed } = match;
  const [client, inside] = from === 'client' ? [answered, offered] : [offered, answered];
  return { refused: false, section, client, inside, passed };
}

/** The crypto line that an inside answer agrees to; undefined for plain RTP where that is allowed. */
function judgeInside(line: LineKeys, section: Section, rules: SectionRules): CryptoAttribute | undefined {
  if (rules.insideEncryption === 'off') {
    if (section.secure) throw new MediaRefusal('bad-answer', 'SRTP not offered');
    return undefined;
  }
  const inside = line?.insideKeys.matchAnswer(section.crypto);
  if (inside !== undefined && line?.insideKeys.reflects(inside) !== true) return inside;
  if (inside !== undefined || !mayBePlain('inside', section, rules))
    throw new MediaRefusal('bad-answer', 'SRTP required');
  return undefined;
}
