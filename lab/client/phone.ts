// A simulated phone on one SIP connection: registers a line, calls, is called. As a soft client outside it adds the
// Route that get_edge_config gave to every request outside a dialog; as a desk phone inside it has none.
// REGISTER as mra-wire §3.3 shows it.
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  type Clock,
  createCallId,
  createRequest,
  createResponse,
  createTag,
  type HeaderPair,
  type SipRequest,
  type SipResponse,
} from '../../sip/index.ts';
import { AudioStream } from './audio-stream.ts';
import { Call, CallAudio, CallError, described, refused } from './call.ts';
import { Dialog } from './dialog.ts';
import { answerDigest, type DigestCredentials } from './digest-answer.ts';
import { SipEndpoint } from './sip-endpoint.ts';

/** Where the phone's SIP connection goes. */
export interface PhoneConnection {
  readonly transport: 'TCP' | 'TLS';
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  /** For TLS: the name the certificate must have and the PEM of who may sign it. */
  readonly tls?: { readonly name: string; readonly authority: string };
}

export interface PhoneOptions {
  readonly connection: PhoneConnection;
  /** Directory number: the user part of its address. */
  readonly number: string;
  readonly displayName: string;
  readonly deviceName: string;
  /** The call-control node: host part of its address and of everybody it calls. */
  readonly node: string;
  readonly credentials?: DigestCredentials;
  /** Value of the Route header for requests outside a dialog. */
  readonly route?: string;
  readonly toneHz: number;
  readonly isSecure: boolean;
  readonly clock: Clock;
  readonly random: (bytes: number) => Buffer;
  readonly requestTimeoutMs: number;
}

/** Somebody calls. */
export interface IncomingCall {
  /** User part of the caller's address. */
  readonly from: string;
  accept(): Promise<Call>;
  decline(status: number): void;
  /** Resolves when the caller gave up before it was answered. */
  readonly cancelled: Promise<void>;
}

interface Ringing {
  readonly invite: SipRequest;
  readonly toTag: string;
  readonly cancel: () => void;
  isAnswered: boolean;
}

const allowed = 'INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY, MESSAGE, INFO';

/** Connects and returns the phone; rejects with the socket's error. */
export async function connectPhone(options: PhoneOptions): Promise<Phone> {
  const { transport, address, port, localAddress, tls } = options.connection;
  const where = { host: address, port, localAddress };
  const socket: Socket =
    transport === 'TLS'
      ? connectTls({ ...where, servername: tls?.name, ca: tls?.authority })
      : connectTcp(where);
  socket.setNoDelay(true);
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.once(transport === 'TLS' ? 'secureConnect' : 'connect', () => {
      socket.off('error', reject);
      resolve();
    });
  });
  return new Phone(socket, options);
}

export class Phone {
  readonly endpoint: SipEndpoint;
  readonly #options: PhoneOptions;
  readonly #contactUser: string;
  readonly #registration: { readonly callId: string; readonly tag: string };
  readonly #calls = new Map<string, Call>();
  readonly #ringing = new Map<string, Ringing>();
  readonly #streams = new Set<AudioStream>();
  #sequence = 100;
  #incoming: IncomingCall[] = [];
  #awaitingCall: ((call: IncomingCall) => void)[] = [];

  /** Takes over a connected socket. */
  constructor(socket: Socket, options: PhoneOptions) {
    this.#options = options;
    this.#contactUser = uuid(options.random);
    this.#registration = { callId: createCallId(options.random), tag: createTag(options.random) };
    const { transport } = options.connection;
    this.endpoint = new SipEndpoint(socket, {
      local: { transport, address: socket.localAddress ?? '', port: socket.localPort ?? 0 },
      clock: options.clock,
      random: options.random,
      requestTimeoutMs: options.requestTimeoutMs,
      maxPending: 64,
      onRequest: (request) => this.#handle(request),
      onClose: () => this.#linkClosed(),
    });
  }

  /** The URI others reach this phone at. */
  get contactUri(): string {
    const { address, port, transport } = this.endpoint.local;
    return `sip:${this.#contactUser}@${address}:${port};transport=${transport.toLowerCase()}`;
  }

  /** Registers for `seconds` (0 removes the registration); answers a digest challenge once. Rejects with CallError. */
  async register(seconds = 3600): Promise<SipResponse> {
    const first = await this.endpoint.request(this.#createRegister(seconds));
    const authorization = this.#authorize(first, 'REGISTER', `sip:${this.#options.node}`);
    if (authorization === undefined) return mustSucceed('REGISTER', first);
    const again = await this.endpoint.request(this.#createRegister(seconds, authorization));
    return mustSucceed('REGISTER', again);
  }

  /** Calls a number; resolves once it is answered and acknowledged. Rejects with CallError. */
  async call(number: string, onProvisional?: (response: SipResponse) => void): Promise<Call> {
    const audio = await this.#openAudio();
    const invite = this.#createInvite(number, audio.createOffer('sendrecv'));
    const response = await this.endpoint.request(invite, onProvisional);
    if (!response.isSuccess) throw refused('INVITE', response);
    const dialog = Dialog.ofCaller(invite, response, `<${this.contactUri}>`);
    const ackOf = invite.cseq.number;
    this.endpoint.send(dialog.createRequest('ACK', this.endpoint.createVia(), { ackOf }));
    audio.takeAnswer(response.body, 'sendrecv');
    return this.#keep(new Call(dialog, this.endpoint, audio));
  }

  /** Calls a number and gives up as soon as it rings; resolves with the INVITE's final answer (487). */
  async callAndCancel(number: string): Promise<SipResponse> {
    const audio = await this.#openAudio();
    const invite = this.#createInvite(number, audio.createOffer('sendrecv'));
    let isCancelled = false;
    return this.endpoint.request(invite, (response) => {
      if (response.status === 100 || isCancelled) return;
      isCancelled = true;
      this.endpoint.cancel(invite).catch(() => {});
    });
  }

  /** The next incoming call, or the oldest that already rings. */
  async nextCall(): Promise<IncomingCall> {
    const waiting = this.#incoming.shift();
    if (waiting !== undefined) return waiting;
    return new Promise((resolve) => this.#awaitingCall.push(resolve));
  }

  /** Sends any request outside a dialog to a URI on the node; for probing what is let through. */
  async request(method: string, user: string, headers: readonly HeaderPair[] = []): Promise<SipResponse> {
    return this.endpoint.request(this.#createOutOfDialog(method, user, headers));
  }

  close(): void {
    this.endpoint.close();
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
  }

  #handle(request: SipRequest): void {
    const call = this.#calls.get(request.callId);
    const ringing = this.#ringing.get(request.callId);
    if (request.method === 'CANCEL') this.#cancelled(request, ringing);
    else if (call !== undefined) call.handle(request);
    else if (request.method === 'INVITE' && request.to.tag === undefined) this.#ring(request);
    else if (request.method === 'ACK') return;
    else if (request.to.tag !== undefined) this.#answer(request, 481);
    else this.#answer(request, ['OPTIONS', 'NOTIFY', 'MESSAGE', 'INFO'].includes(request.method) ? 200 : 501);
  }

  #ring(invite: SipRequest): void {
    const toTag = createTag(this.#options.random);
    const { promise: cancelled, resolve: cancel } = Promise.withResolvers<void>();
    const ringing: Ringing = { invite, toTag, cancel, isAnswered: false };
    this.#ringing.set(invite.callId, ringing);
    this.endpoint.send(
      createResponse(invite, 180, 'Ringing', {
        toTag,
        isDialogForming: true,
        headers: this.#contactHeader(),
      }),
    );
    const incoming: IncomingCall = {
      from: invite.from.uri.kind === 'sip' ? (invite.from.uri.user ?? '') : '',
      accept: async () => this.#accept(ringing),
      decline: (status) => {
        this.#ringing.delete(invite.callId);
        this.endpoint.send(createResponse(invite, status, undefined, { toTag }));
      },
      cancelled,
    };
    const waiting = this.#awaitingCall.shift();
    if (waiting === undefined) this.#incoming.push(incoming);
    else waiting(incoming);
  }

  async #accept(ringing: Ringing): Promise<Call> {
    const { invite, toTag } = ringing;
    const audio = await this.#openAudio();
    if (this.#ringing.get(invite.callId) !== ringing) throw new CallError(487, 'the caller has given up');
    this.#ringing.delete(invite.callId);
    ringing.isAnswered = true;
    const { body, contentType } = described(audio.answerOffer(invite.body));
    const dialog = Dialog.ofCallee(invite, toTag, `<${this.contactUri}>`, (this.#sequence += 1));
    const call = this.#keep(new Call(dialog, this.endpoint, audio));
    const headers = this.#contactHeader();
    this.endpoint.send(
      createResponse(invite, 200, 'OK', { toTag, isDialogForming: true, headers, body, contentType }),
    );
    return call;
  }

  #cancelled(request: SipRequest, ringing: Ringing | undefined): void {
    if (ringing === undefined) return this.#answer(request, 481);
    this.#ringing.delete(request.callId);
    this.#answer(request, 200);
    this.endpoint.send(createResponse(ringing.invite, 487, undefined, { toTag: ringing.toTag }));
    ringing.cancel();
  }

  #answer(request: SipRequest, status: number): void {
    const toTag = createTag(this.#options.random);
    this.endpoint.send(createResponse(request, status, undefined, { toTag, headers: [['Allow', allowed]] }));
  }

  #authorize(response: SipResponse, method: string, uri: string): HeaderPair | undefined {
    const { credentials, random } = this.#options;
    if (credentials === undefined || (response.status !== 401 && response.status !== 407)) return undefined;
    const isProxy = response.status === 407;
    const challenge = response.headers.get(isProxy ? 'proxy-authenticate' : 'www-authenticate') ?? '';
    const cnonce = random(8).toString('hex');
    const answer = answerDigest({ challenge, method, uri, cnonce }, credentials);
    return answer === undefined ? undefined : [isProxy ? 'Proxy-Authorization' : 'Authorization', answer];
  }

  #createRegister(seconds: number, authorization?: HeaderPair): SipRequest {
    const { number, node, deviceName, connection } = this.#options;
    const address = `<sip:${number}@${node}>`;
    const instance = this.#contactUser.slice(-12);
    const isSoftClient = connection.transport === 'TLS';
    const contact =
      `<${this.contactUri}>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-${instance}>"` +
      `;+u.sip!devicename.ccm.cisco.com="${deviceName}";+u.sip!model.ccm.cisco.com="${isSoftClient ? 503 : 684}"` +
      (isSoftClient ? ';video;x-cisco-mra-ha=AR_SK;x-cisco-reg-id=1' : '');
    return createRequest({
      method: 'REGISTER',
      uri: `sip:${node}`,
      via: this.endpoint.createVia(),
      from: `${address};tag=${this.#registration.tag}`,
      to: address,
      callId: this.#registration.callId,
      cseq: (this.#sequence += 1),
      headers: [
        ...this.#routeHeader(),
        ['Contact', contact],
        ['Expires', String(seconds)],
        ['Supported', 'replaces,join,sdp-anat,norefersub,X-cisco-callinfo,X-cisco-srtp-fallback'],
        ...(authorization === undefined ? [] : [authorization]),
      ],
    });
  }

  #createInvite(number: string, offer: Buffer): SipRequest {
    const headers: HeaderPair[] = [...this.#contactHeader(), ['Allow', allowed]];
    return this.#createOutOfDialog('INVITE', number, headers, offer);
  }

  #createOutOfDialog(
    method: string,
    user: string,
    headers: readonly HeaderPair[],
    offer?: Buffer,
  ): SipRequest {
    const { number, displayName, node, random } = this.#options;
    const uri = `sip:${user}@${node}`;
    return createRequest({
      method,
      uri,
      via: this.endpoint.createVia(),
      from: `"${displayName}" <sip:${number}@${node}>;tag=${createTag(random)}`,
      to: `<${uri}>`,
      callId: createCallId(random, this.endpoint.local.address),
      cseq: (this.#sequence += 1),
      headers: [...this.#routeHeader(), ...headers],
      ...(offer === undefined ? {} : described(offer)),
    });
  }

  #routeHeader(): HeaderPair[] {
    const { route } = this.#options;
    return route === undefined ? [] : [['Route', route]];
  }

  #contactHeader(): HeaderPair[] {
    return [
      ['Contact', `<${this.contactUri}>;+u.sip!devicename.ccm.cisco.com="${this.#options.deviceName}"`],
    ];
  }

  async #openAudio(): Promise<CallAudio> {
    const { connection, toneHz, clock, random, number, isSecure } = this.#options;
    const address = connection.localAddress;
    const stream = await AudioStream.open({ address, toneHz, now: () => clock.now(), random });
    this.#streams.add(stream);
    return new CallAudio(stream, { user: number, address, isSecure, random });
  }

  #keep(call: Call): Call {
    this.#calls.set(call.callId, call);
    void call.ended.then(() => {
      this.#calls.delete(call.callId);
      if (this.#streams.delete(call.audio.stream)) call.audio.stream.close();
    });
    return call;
  }

  #linkClosed(): void {
    for (const call of this.#calls.values()) call.linkClosed();
  }
}

function mustSucceed(what: string, response: SipResponse): SipResponse {
  if (!response.isSuccess) throw refused(what, response);
  return response;
}

function uuid(random: (bytes: number) => Buffer): string {
  const hex = random(16).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
