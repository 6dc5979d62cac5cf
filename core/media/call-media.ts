// Offer and answer for one call: RFC 3264 between two legs, sections matched by index. Offers and answers come from
// either side, one at a time; an answer may come again (early media, forks) and then the latest counts.
// Trusts no description: read strictly, refused whole when an answer is not one; nothing is programmed before it is.
import type { FlowId, ShownPacket } from '../../media/index.ts';
import { EngineError, PortPoolError } from '../../media/index.ts';
import { parseSdp, refusedMedia, SdpError, type Sdp, type SdpMedia } from '../../sip/sdp/index.ts';
import type { MediaSession, MediaSide } from '../sip/media-anchor.ts';
import { MediaLine, type CaptureView, type LineAgreement, type LineHost } from './media-line.ts';
import { MediaRefusal } from './media-refusal.ts';
import { IceCall } from './ice-call.ts';
import { anchorCandidates, offersCandidates, sessionIce } from './ice-section.ts';
import { ownAgreement, passedAgreement } from './line-agreement.ts';
import { LegOrigin } from './origin.ts';
import type { PassedSection } from './passed-section.ts';
import {
  judgeSection,
  planSection,
  type Agreed,
  type Plan,
  type SectionRules,
  type Verdict,
} from './section-plan.ts';
import { profile, readSection, writeSection, writeSession, type OwnTransport } from './section.ts';

export interface CallMediaOptions extends SectionRules {
  readonly callId: string;
  readonly insideAddress: string;
  /** An edge's address, where the traversal path of a client begins. */
  readonly onAnchor: (address: string) => void;
  readonly randomBelow: (limit: number) => number;
  readonly host: LineHost;
  /** Said once, when the session is closed. */
  readonly onClosed: (reason: string) => void;
  readonly onInactive: () => void;
  readonly count: (event: string, reason?: string) => void;
}

interface Exchange {
  readonly from: MediaSide;
  readonly sdp: Sdp;
  readonly plans: readonly Plan[];
  /** Lines that this offer brought: gone again when it is refused. */
  readonly brought: readonly number[];
  /** What the other lines had agreed before, for the case that an early answer is followed by a refusal. */
  readonly before: ReadonlyMap<MediaLine, LineAgreement>;
  /** The exchange before this one. */
  former: Exchange | undefined;
}

export class CallMedia implements MediaSession {
  readonly callId: string;
  /** What becomes of ICE in this call. */
  readonly ice: IceCall;
  isConnected = false;
  readonly #options: CallMediaOptions;
  readonly #lines: (MediaLine | undefined)[] = [];
  readonly #origins: Readonly<Record<MediaSide, LegOrigin>>;
  readonly #activeFlows = new Set<FlowId>();
  /** Of a capture that the call's end has ended. */
  #kept: ShownPacket[] = [];
  #announced = '0.0.0.0';
  #pending: Exchange | undefined;
  #last: Exchange | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #toldInactive = false;
  /** Every section is on hold in both directions: silence is what was agreed. */
  #silent = false;
  #closed = false;

  constructor(options: CallMediaOptions) {
    this.callId = options.callId;
    this.#options = options;
    this.ice = new IceCall(options.mayPassIce);
    const number = (): number => 1 + options.randomBelow(0x7ffffffe);
    this.#origins = { client: new LegOrigin(number()), inside: new LegOrigin(number()) };
  }

  offer(from: MediaSide, sdp: Buffer): Promise<Buffer> {
    return this.#inTurn(() => this.#offer(from, sdp));
  }

  answer(from: MediaSide, sdp: Buffer): Promise<Buffer> {
    return this.#inTurn(() => this.#answer(from, sdp));
  }

  /** One at a time, in the order asked. Every rejection is a MediaRefusal, counted by its code. */
  #inTurn(action: () => Promise<Buffer>): Promise<Buffer> {
    const run = this.#turn.then(async () => {
      if (this.#closed) throw new MediaRefusal('closed', 'Media closed');
      return action();
    });
    const told = run.catch((error: unknown) => {
      const refusal = asRefusal(error);
      this.#options.count('media-session-refused', refusal.code);
      throw refusal;
    });
    this.#turn = told.catch(() => {});
    return told;
  }

  async #offer(from: MediaSide, bytes: Buffer): Promise<Buffer> {
    if (this.#pending !== undefined) this.rollback();
    const sdp = parseSdp(bytes);
    if (sdp.media.length < (this.#last?.plans.length ?? 0))
      throw new MediaRefusal('bad-offer', 'Media section missing');
    const plans = sdp.media.map((_, index) =>
      planSection(from, sdp, index, this.#lines[index], this.#options),
    );
    const wanted = plans.some((plan) => plan.section.active);
    if (wanted && !plans.some((plan) => plan.usable))
      throw new MediaRefusal('no-usable-media', 'No usable media');
    const brought = plans.flatMap((plan, index) => (plan.usable && !this.#fits(plan, index) ? [index] : []));
    const exchange = { from, sdp, plans, brought, before: this.#agreements(), former: this.#last };
    this.#pending = exchange;
    try {
      await Promise.all(plans.map((plan, index) => this.#ensureLine(plan, index)));
      this.#checkCurrent(exchange);
    } catch (error) {
      if (this.#pending === exchange) this.rollback();
      throw error;
    }
    this.#noteIce(
      'offer',
      from,
      sdp,
      plans.map(({ passed }) => passed),
    );
    return this.#writeOffer(from === 'client' ? 'inside' : 'client', exchange);
  }

  /** Who offers candidates, and by what the first section with ICE says that media goes. */
  #noteIce(
    what: 'offer' | 'answer',
    from: MediaSide,
    sdp: Sdp,
    passed: readonly (PassedSection | undefined)[],
  ): void {
    if (sdp.media.some((_, index) => offersCandidates(sdp, index) && isOfFarClient(from, passed[index])))
      this.ice.offered(from);
    const index = passed.findIndex((section) => section?.ice !== undefined);
    const ice = passed[index]?.ice;
    if (ice === undefined) return;
    if (from === 'inside') return this.ice.fromInside(what, ice);
    const { rtp } = readSection(sdp, index);
    this.ice.fromClient(what, ice, rtp, this.#lines[index]!.clientAddress, this.#options.iceReading);
  }

  /** A rollback or close may have come while ports were being opened. */
  #checkCurrent(exchange: Exchange): void {
    if (this.#closed || (this.#pending ?? this.#last) !== exchange)
      throw new MediaRefusal('closed', 'Offer withdrawn');
  }

  #agreements(): Map<MediaLine, LineAgreement> {
    const lines = this.#lines.filter((line) => line !== undefined);
    return new Map(
      lines.flatMap((line) => (line.agreement === undefined ? [] : [[line, line.agreement] as const])),
    );
  }

  #fits(plan: Plan, index: number): boolean {
    return this.#lines[index]?.content === plan.section.content;
  }

  async #ensureLine(plan: Plan, index: number): Promise<void> {
    const { content } = plan.section;
    if (!plan.usable || content === 'unsupported') return;
    if (!this.#fits(plan, index)) this.#dropLine(index);
    const line = (this.#lines[index] ??= new MediaLine(
      content,
      plan.section.kind,
      this.#options.host,
      this.#options.mayPassIce,
    ));
    await line.open();
    if (this.#closed) {
      line.close(false);
      throw new MediaRefusal('closed', 'Media closed');
    }
    this.#announced = line.clientAddress.address;
    this.#options.onAnchor(this.#announced);
  }

  #dropLine(index: number): void {
    this.#lines[index]?.close(true);
    this.#lines[index] = undefined;
  }

  #writeOffer(to: MediaSide, exchange: Exchange): Buffer {
    const { sdp, plans } = exchange;
    const media = sdp.media.map((section, index) =>
      plans[index]!.usable
        ? writeSection(
            section,
            plans[index]!.section.content,
            this.#ownOffer(to, section, plans[index]!, index),
          )
        : refusedMedia(section, section.protocol),
    );
    const fallback = to === 'inside' && this.#options.insideEncryption === 'best-effort';
    const passes = plans.some(({ passed }) => passed?.ice !== undefined);
    return this.#print(to, sdp, media, { fallback, passes });
  }

  /** Our side of a section that we offer. RTCP ports follow RTP's, so a=rtcp is never needed. */
  #ownOffer(to: MediaSide, section: SdpMedia, { passed }: Plan, index: number): OwnTransport {
    const line = this.#lines[index]!;
    const place = this.#place(to, line);
    if (line.content === 'opaque') return { ...place, protocol: section.protocol, crypto: [], mux: false };
    if (passed !== undefined) {
      const isSecure = to === 'client' || this.#options.insideEncryption === 'on';
      return this.#passedTransport(to, passed, profile(section.protocol, isSecure), index);
    }
    if (to === 'client') {
      return {
        ...place,
        protocol: profile(section.protocol, true),
        crypto: line.clientKeys.offer(),
        mux: true,
      };
    }
    const policy = this.#options.insideEncryption;
    const crypto = policy === 'off' ? [] : line.insideKeys.offer();
    return { ...place, protocol: profile(section.protocol, policy === 'on'), crypto, mux: false };
  }

  /** Keys, multiplexing and candidates as they came, and the traversal path as the last candidate. */
  #passedTransport(to: MediaSide, passed: PassedSection, protocol: string, index: number): OwnTransport {
    const place = this.#place(to, this.#lines[index]!);
    const own = { ...place, protocol, crypto: [], mux: false, passed: passed.lines };
    if (passed.ice === undefined) return own;
    const told = to === 'inside' ? this.ice.note : undefined;
    const added = anchorCandidates(place, passed.ice.hasRtcp, told);
    const isDirect = this.ice.isDirect(to === 'inside' ? 'client' : 'inside');
    return { ...own, added, ...(isDirect && { direct: passed.place }) };
  }

  #place(to: MediaSide, line: MediaLine): { address: string; port: number } {
    return to === 'client'
      ? line.clientAddress
      : { address: this.#options.insideAddress, port: line.insidePort };
  }

  async #answer(from: MediaSide, bytes: Buffer): Promise<Buffer> {
    const exchange = this.#pending ?? this.#last;
    if (exchange === undefined || exchange.from === from)
      throw new MediaRefusal('no-offer', 'No offer to answer');
    const sdp = parseSdp(bytes);
    if (sdp.media.length !== exchange.plans.length)
      throw new MediaRefusal('bad-answer', 'Media sections differ');
    const verdicts = exchange.plans.map((plan, index) =>
      judgeSection(from, plan, sdp, index, this.#lines[index], this.#options),
    );
    await Promise.all(
      exchange.plans.map((plan, index) =>
        verdicts[index]!.refused ? Promise.resolve() : this.#ensureLine(plan, index),
      ),
    );
    this.#checkCurrent(exchange);
    const passed = verdicts.map((verdict) => (verdict.refused ? undefined : verdict.passed));
    this.#noteIce('answer', from, sdp, passed);
    verdicts.forEach((verdict, index) => this.#apply(exchange, verdict, index));
    this.#pending = undefined;
    this.#last = exchange;
    for (const flow of this.#lines.flatMap((line) => line?.flows() ?? [])) this.flowActive(flow);
    this.#silent = verdicts.every(
      (verdict, index) => verdict.refused || verdict.section.silent || exchange.plans[index]!.section.silent,
    );
    if (exchange.former !== undefined) exchange.former.former = undefined; // one step back is enough
    return this.#writeAnswer(exchange, sdp, verdicts);
  }

  #apply(exchange: Exchange, verdict: Verdict, index: number): void {
    if (verdict.refused) return this.#dropLine(index);
    const line = this.#lines[index]!;
    const plan = exchange.plans[index]!;
    const fromClient = exchange.from === 'client';
    const agreement =
      verdict.passed === undefined
        ? ownAgreement(line, fromClient, plan, verdict)
        : passedAgreement(line, fromClient, plan, verdict, !this.ice.hasMovedOff);
    line.program(agreement);
  }

  #writeAnswer(exchange: Exchange, sdp: Sdp, verdicts: readonly Verdict[]): Buffer {
    const media = sdp.media.map((section, index) => {
      const offered = exchange.sdp.media[index]!;
      if (verdicts[index]!.refused) return refusedMedia(section, offered.protocol);
      const { content } = exchange.plans[index]!.section;
      const { passed } = verdicts[index] as Agreed;
      const own =
        passed === undefined
          ? this.#ownAnswer(exchange, section, index)
          : this.#passedTransport(exchange.from, passed, offered.protocol, index);
      return writeSection(section, content, own);
    });
    const passes = verdicts.some((verdict) => !verdict.refused && verdict.passed?.ice !== undefined);
    return this.#print(exchange.from, sdp, media, { fallback: false, passes });
  }

  /** Our side of a section that we answer: the offerer's own protocol (RFC 3264 §6.1), its chosen crypto line. */
  #ownAnswer(exchange: Exchange, section: SdpMedia, index: number): OwnTransport {
    const line = this.#lines[index]!;
    const { chosen, section: offered } = exchange.plans[index]!;
    const place = this.#place(exchange.from, line);
    if (line.content === 'opaque') return { ...place, protocol: section.protocol, crypto: [], mux: false };
    const keys = exchange.from === 'client' ? line.clientKeys : line.insideKeys;
    const crypto = chosen === undefined ? [] : [keys.answer(chosen)];
    return { ...place, protocol: exchange.sdp.media[index]!.protocol, crypto, mux: offered.mux };
  }

  #print(
    to: MediaSide,
    sdp: Sdp,
    media: SdpMedia[],
    { fallback, passes }: { readonly fallback: boolean; readonly passes: boolean },
  ): Buffer {
    const address = to === 'client' ? this.#announced : this.#options.insideAddress;
    const passed = passes ? sessionIce(sdp.session) : undefined;
    const session = writeSession(sdp.session, address, fallback, media, passed);
    return this.#origins[to].print({ session, media }, address);
  }

  /**
   * The last offer was refused: what it brought goes, what an early answer to it changed is as before. A line that
   * such an answer refused stays gone.
   */
  rollback(): void {
    const exchange = this.#pending ?? this.#last;
    if (exchange === undefined || this.#closed) return;
    for (const index of exchange.brought) this.#dropLine(index);
    if (this.#pending === undefined) {
      for (const [line, agreement] of exchange.before)
        if (this.#lines.includes(line)) line.program(agreement);
      this.#last = exchange.former;
    }
    this.#pending = undefined;
  }

  connected(): void {
    this.isConnected = true;
  }

  iceCallType(): string {
    return this.ice.type;
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#kept = this.stopCapture();
    for (const line of this.#lines) line?.close(false);
    this.#lines.length = 0;
    this.#activeFlows.clear();
    this.#options.onClosed(reason);
  }

  /** A flow of this session came to be, or carries packets again. */
  flowActive(flow: FlowId): void {
    this.#activeFlows.add(flow);
    this.#toldInactive = false;
    this.ice.quiet(false);
  }

  /** A flow of this session has been idle for long, or is gone. */
  flowIdle(flow: FlowId): void {
    this.#activeFlows.delete(flow);
    if (this.#activeFlows.size > 0 || this.#toldInactive || this.#silent || this.#closed) return;
    this.#toldInactive = true;
    if (this.#lines.some((line) => line?.agreement?.passthrough?.ice !== undefined)) this.#bypassed();
    else this.#options.onInactive();
  }

  /** Two ends that do ICE need not say when they move: silence here is no silence there. Ports stay until the end. */
  #bypassed(): void {
    this.#options.count('media-bypassed');
    this.ice.quiet(true);
  }

  /** Tags that are wrong because packets went another way in between: from now on the two ends check alone. */
  badTags(): void {
    if (!this.ice.hasMovedOff) return;
    for (const line of this.#lines) {
      line?.trustEnds();
      for (const flow of line?.flows() ?? []) this.flowActive(flow); // a changed flow counts its silence anew
    }
  }

  /** A flow was removed: it no longer counts, without saying anything about the others. */
  flowGone(flow: FlowId): void {
    this.#activeFlows.delete(flow);
  }

  /** Begins to keep packets of this call, or throws EngineError `full`. */
  startCapture(view: CaptureView): void {
    for (const line of this.#lines) line?.startCapture(view);
  }

  /** What has been kept; also of a call that is over. */
  stopCapture(): ShownPacket[] {
    const packets = [...this.#kept, ...this.#lines.flatMap((line) => line?.stopCapture() ?? [])];
    this.#kept = [];
    return packets;
  }

  status(): object {
    return {
      callId: this.callId,
      iceCallType: this.ice.type,
      lines: this.#lines.map((line) => line?.status() ?? { path: 'refused' }),
    };
  }
}

/** Candidates of an inside device are not those of a far client. */
function isOfFarClient(from: MediaSide, passed: PassedSection | undefined): boolean {
  return from === 'client' || passed?.ice !== undefined;
}

function asRefusal(error: unknown): MediaRefusal {
  if (error instanceof MediaRefusal) return error;
  if (error instanceof SdpError)
    return new MediaRefusal('bad-sdp', 'Session description refused', { cause: error });
  if (error instanceof PortPoolError || error instanceof EngineError) {
    return new MediaRefusal('ports-exhausted', 'Media not available', { cause: error });
  }
  throw error;
}
