// One call of a phone: its dialog, its audio, what each side offered last (RFC 3264). Made by the phone for a call in
// either direction; ends by BYE from either side.
import { createResponse, type SipRequest, type SipResponse } from '../../sip/index.ts';
import { type AudioStream, noProtection, type PacketProtection } from './audio-stream.ts';
import { type Dialog, type RequestBody } from './dialog.ts';
import {
  createProtect,
  createSdesKey,
  createUnprotect,
  matchKeys,
  offeredSuites,
} from './sdes-protection.ts';
import {
  answerDirection,
  type AudioDescription,
  type Direction,
  parseDescription,
  printDescription,
  type SdesKey,
} from './session-description.ts';
import { type SipEndpoint } from './sip-endpoint.ts';

export interface CallOptions {
  readonly user: string;
  readonly address: string;
  readonly isSecure: boolean;
  readonly random: (bytes: number) => Buffer;
}

export class CallError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'CallError';
    this.status = status;
  }
}

/** The audio half of a call: keys, descriptions, and what they make of the stream. */
export class CallAudio {
  readonly stream: AudioStream;
  readonly #options: CallOptions;
  readonly #sessionId: number;
  readonly #protects = new Map<string, PacketProtection['protect']>();
  #offered: readonly SdesKey[] = [];
  #version = 0;
  #far: { readonly address: string; readonly port: number } | undefined;
  #direction: Direction = 'sendrecv';
  #receiveKey: SdesKey | undefined;
  #unprotect: PacketProtection['unprotect'] = noProtection.unprotect;

  constructor(stream: AudioStream, options: CallOptions) {
    this.stream = stream;
    this.#options = options;
    this.#sessionId = options.random(4).readUInt32BE(0);
  }

  /** The direction in force, as this side sees it. */
  get direction(): Direction {
    return this.#direction;
  }

  /** Suite in force towards this phone; undefined for plain RTP. */
  get suite(): string | undefined {
    return this.#receiveKey?.suite;
  }

  /** Where this phone sends its audio; undefined before the first answer. */
  get far(): { readonly address: string; readonly port: number } | undefined {
    return this.#far;
  }

  createOffer(direction: Direction): Buffer {
    const { isSecure, random } = this.#options;
    if (isSecure && this.#offered.length === 0) {
      this.#offered = offeredSuites.map((suite, index) => createSdesKey(index + 1, suite, random));
    }
    return this.#print(direction, this.#offered);
  }

  /** Takes the answer to an offer of `direction`. Throws CallError. */
  takeAnswer(body: Buffer, direction: Direction): void {
    const answer = parseDescription(body);
    if (answer.port === 0) throw new CallError(488, 'the other side refused the audio');
    const keys = matchKeys(this.#offered, answer.keys);
    if (this.#options.isSecure && keys === undefined)
      throw new CallError(488, 'the answer has no key of ours');
    this.#apply(answer, keys?.offered, keys?.answered, direction);
  }

  /** Answers an offer and puts it in force. Throws CallError when there is no common ground. */
  answerOffer(body: Buffer): Buffer {
    const offer = parseDescription(body);
    const direction = answerDirection(offer.direction);
    if (!offer.isSecure) {
      if (this.#options.isSecure) throw new CallError(488, 'the offer is not protected');
      this.#apply(offer, undefined, undefined, direction);
      return this.#print(direction, []);
    }
    const theirs = offer.keys.find((key) => (offeredSuites as readonly string[]).includes(key.suite));
    if (theirs === undefined) throw new CallError(488, 'no common SRTP suite');
    const ours =
      this.#offered.find((key) => key.suite === theirs.suite) ??
      createSdesKey(theirs.tag, theirs.suite, this.#options.random);
    this.#offered = [{ ...ours, tag: theirs.tag }];
    this.#apply(offer, ours, theirs, direction);
    return this.#print(direction, this.#offered);
  }

  #apply(
    far: AudioDescription,
    sendKey: SdesKey | undefined,
    receiveKey: SdesKey | undefined,
    direction: Direction,
  ): void {
    if (receiveKey?.inline !== this.#receiveKey?.inline) {
      this.#unprotect = receiveKey === undefined ? noProtection.unprotect : createUnprotect(receiveKey);
      this.#receiveKey = receiveKey;
    }
    const protection = { protect: this.#protectWith(sendKey), unprotect: this.#unprotect };
    this.#far = { address: far.address, port: far.port };
    this.stream.connect({ ...this.#far, protection });
    this.#direction = direction;
    this.stream.send(direction === 'sendrecv');
  }

  #protectWith(key: SdesKey | undefined): PacketProtection['protect'] {
    if (key === undefined) return noProtection.protect;
    const protect = this.#protects.get(key.inline) ?? createProtect(key);
    this.#protects.set(key.inline, protect);
    return protect;
  }

  #print(direction: Direction, keys: readonly SdesKey[]): Buffer {
    const { user, address } = this.#options;
    return printDescription({
      user,
      address,
      direction,
      keys,
      isSecure: keys.length > 0,
      port: this.stream.port,
      rtcpMux: false,
      sessionId: this.#sessionId,
      version: (this.#version += 1),
    });
  }
}

/** An established call. */
export class Call {
  readonly audio: CallAudio;
  /** Resolves when either side hung up; tells which. */
  readonly ended: Promise<'here' | 'there'>;
  readonly #dialog: Dialog;
  readonly #endpoint: SipEndpoint;
  #end!: (by: 'here' | 'there') => void;
  #waiting: { direction: Direction; resolve: () => void }[] = [];

  constructor(dialog: Dialog, endpoint: SipEndpoint, audio: CallAudio) {
    this.#dialog = dialog;
    this.#endpoint = endpoint;
    this.audio = audio;
    this.ended = new Promise((resolve) => (this.#end = resolve));
  }

  get callId(): string {
    return this.#dialog.callId;
  }

  /** Puts the other side on hold. Rejects with CallError when refused. */
  async hold(): Promise<void> {
    await this.#reinvite('sendonly');
  }

  async resume(): Promise<void> {
    await this.#reinvite('sendrecv');
  }

  async hangUp(): Promise<void> {
    const bye = this.#dialog.createRequest('BYE', this.#endpoint.createVia());
    const response = await this.#endpoint.request(bye);
    this.#finish('here');
    if (!response.isSuccess) throw refused('BYE', response);
  }

  /** Resolves when the other side's offers have brought this direction about. */
  async untilDirection(direction: Direction): Promise<void> {
    if (this.audio.direction === direction) return;
    await new Promise<void>((resolve) => this.#waiting.push({ direction, resolve }));
  }

  /** A request inside this call. */
  handle(request: SipRequest): void {
    if (request.method === 'ACK') return;
    if (!this.#dialog.accepts(request)) return this.#endpoint.send(createResponse(request, 500));
    if (request.method === 'INVITE') return this.#answerReinvite(request);
    this.#endpoint.send(createResponse(request, request.method === 'UPDATE' ? 501 : 200));
    if (request.method === 'BYE') this.#finish('there');
  }

  /** The connection went away. */
  linkClosed(): void {
    this.#finish('there');
  }

  async #reinvite(direction: Direction): Promise<void> {
    const body = described(this.audio.createOffer(direction));
    const invite = this.#dialog.createRequest('INVITE', this.#endpoint.createVia(), { body });
    const response = await this.#endpoint.request(invite);
    if (!response.isSuccess) throw refused('re-INVITE', response);
    this.#dialog.refreshTarget(response);
    const ackOf = invite.cseq.number;
    this.#endpoint.send(this.#dialog.createRequest('ACK', this.#endpoint.createVia(), { ackOf }));
    this.audio.takeAnswer(response.body, direction);
  }

  #answerReinvite(request: SipRequest): void {
    try {
      const { body, contentType } = described(this.audio.answerOffer(request.body));
      this.#dialog.refreshTarget(request);
      this.#endpoint.send(createResponse(request, 200, 'OK', { body, contentType }));
    } catch (error) {
      const status = error instanceof CallError ? error.status : 488;
      this.#endpoint.send(createResponse(request, status));
    }
    const { direction } = this.audio;
    for (const waiting of this.#waiting) if (waiting.direction === direction) waiting.resolve();
    this.#waiting = this.#waiting.filter((waiting) => waiting.direction !== direction);
  }

  #finish(by: 'here' | 'there'): void {
    this.audio.stream.send(false);
    this.#end(by);
  }
}

/** A session description as a body. */
export function described(body: Buffer): RequestBody {
  return { body, contentType: 'application/sdp' };
}

/** The error for an answer that says no; carries Warning, where the reason often is. */
export function refused(what: string, response: SipResponse): CallError {
  const warning = response.headers.get('warning');
  const why = warning === undefined ? '' : `, ${warning}`;
  return new CallError(response.status, `${what} got ${response.status} ${response.reason}${why}`);
}
