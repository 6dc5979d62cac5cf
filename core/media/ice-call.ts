// What became of ICE in one call: who offered candidates, and by which pair its media goes in the end. The words are
// those of the deployment guide's call history (X14.3, "View Call Types in the Call History").
// Reads descriptions that have been judged already; remembers two lists of candidates and no packet.
import type { Candidate } from '../../sip/sdp/index.ts';
import type { TransportAddress } from '../../turn/index.ts';
import type { MediaSide } from '../sip/media-anchor.ts';
import {
  selectedOfPlace,
  type FarNote,
  type IceReading,
  type SectionIce,
  type Selected,
} from './ice-section.ts';

/** `none`: by the traversal path. */
export const ICE_CALL_TYPES = [
  'none',
  'host_to_host',
  'host_to_srflx',
  'host_to_relay',
  'srflx_to_srflx',
  'srflx_to_relay',
  'relay_to_relay',
] as const;
export type IceCallType = (typeof ICE_CALL_TYPES)[number];

/** A call as the counters see it when it is over. */
export interface IceCallSummary {
  /** Zones, transport and configuration let ICE pass. */
  readonly isConfigured: boolean;
  /** How many of its ends offered candidates. */
  readonly offers: 0 | 1 | 2;
  readonly type: IceCallType;
}

export class IceCall {
  readonly #isConfigured: boolean;
  readonly #offered = new Set<MediaSide>();
  /** The client's own, which the next description may name as chosen. */
  #candidates: readonly Candidate[] = [];
  /** What each end sends from, as its last description says. */
  readonly #selected: Partial<Record<MediaSide, Selected>> = {};
  /** The last offer was written after ICE had concluded. */
  #isConcluded = false;
  #isQuiet = false;

  constructor(isConfigured: boolean) {
    this.#isConfigured = isConfigured;
  }

  /** Someone offered candidates, whether or not they went on. */
  offered(side: MediaSide): void {
    this.#offered.add(side);
  }

  /** The first section with ICE of a client's description; `anchor` is what the client knows the traversal path by. */
  fromClient(
    what: 'offer' | 'answer',
    ice: SectionIce,
    place: TransportAddress | undefined,
    anchor: TransportAddress,
    { isAnchor, isDenied }: IceReading,
  ): void {
    if (what === 'offer') this.#isConcluded = ice.isConcluded;
    const listed = this.#candidates.concat(ice.candidates);
    this.#candidates = ice.candidates;
    if (place === undefined) return; // on hold: it says nothing about its place
    const isNamed = ice.remote?.address === anchor.address && ice.remote.port === anchor.port;
    const isAnchored = isNamed || isDenied(place.address);
    this.#selected.client = isAnchored ? 'none' : selectedOfPlace(place, listed, isAnchor);
  }

  /** The first section with ICE that came from inside: a far client's, with what its core has noted. */
  fromInside(what: 'offer' | 'answer', { far }: SectionIce): void {
    if (what === 'offer') this.#isConcluded = far?.isChosen === true;
    if (far !== undefined) this.#selected.inside = far.selected;
  }

  /**
   * Whether media has left this path without a word: RFC 8839 §4.4 wants a new offer when ICE has chosen other addresses
   * than the defaults. COMPAT(baresip 1.0.0): makes one only when its own address changes.
   */
  quiet(isQuiet: boolean): void {
    this.#isQuiet = isQuiet;
  }

  /** What the next core is told of our client. */
  get note(): FarNote | undefined {
    const { client: selected } = this.#selected;
    return selected && { selected, isChosen: this.#isConcluded };
  }

  /**
   * Whether ICE has chosen an address of this end's own: then that address stands first in its description, as it does
   * in the one that it sent (RFC 8839 §4.4.2), and the traversal path is only among the candidates.
   */
  isDirect(side: MediaSide): boolean {
    const selected = this.#selected[side];
    return this.#isConcluded && selected !== undefined && selected !== 'none' && selected !== 'edge';
  }

  /** Both ends have concluded on a pair that leaves this path. */
  get hasMovedOff(): boolean {
    return this.type !== 'none';
  }

  get type(): IceCallType {
    if (!this.#isConcluded && !this.#isQuiet) return 'none';
    const [client, inside] = [this.#used('client'), this.#used('inside')];
    if (client === 'none' || inside === 'none') return 'none';
    const [first, second] = [client, inside].sort((one, other) => RANK[one] - RANK[other]);
    return ICE_CALL_TYPES.find((type) => type === `${first}_to_${second}`) ?? 'none';
  }

  /** Nothing on this path says that an address of an edge is that of a relay. */
  #used(side: MediaSide): Exclude<Selected, 'edge'> {
    const selected = this.#selected[side] ?? 'none';
    if (selected !== 'edge') return selected;
    return this.#isQuiet ? 'relay' : 'none';
  }

  summary(): IceCallSummary {
    const offers = this.#offered.size as 0 | 1 | 2;
    return { isConfigured: this.#isConfigured, offers, type: this.type };
  }
}

const RANK: Readonly<Record<Exclude<Selected, 'edge'>, number>> = { none: 0, host: 1, srflx: 2, relay: 3 };
