// The line side of a node: which device is registered for which directory number, and where (RFC 3261 §10.3,
// RFC 3327 Path; the vendor's habits from mra-wire §3.3 and §3.7). Pure: a request and the time in, a response out.
// Bounded by the enterprise: only declared lines register, each with at most `maxContacts` contacts.
import {
  createResponse,
  type HeaderPair,
  type NameAddr,
  SipParseError,
  withoutParam,
} from '../../sip/index.ts';
import { type SipRequest, type SipResponse } from '../../sip/index.ts';
import { type Enterprise, findDevice, type LabDevice } from './enterprise.ts';

/** One registered contact of a line. */
export interface Binding {
  /** URI to send requests to. */
  readonly uri: string;
  /** The whole Contact value as registered, without its expires parameter. */
  readonly contact: string;
  /** Path of the REGISTER: becomes the Route of requests to it. */
  readonly path: readonly string[];
  readonly callId: string;
  readonly cseq: number;
  readonly expiresAtMs: number;
}

/** Judges the credentials of a request; returns the challenge to send, or undefined when they are right. */
export type CheckDigest = (
  request: SipRequest,
  device: LabDevice,
  password: string,
) => HeaderPair | undefined;

export interface RegistrarOptions {
  readonly enterprise: Enterprise;
  readonly checkDigest: CheckDigest;
  /** What a device gets whatever it asked for; a node grants 120. */
  readonly grantedSeconds: number;
  readonly maxContacts: number;
  /** Tag of the To header in answers. */
  readonly createTag: () => string;
}

const serverHeaders: readonly HeaderPair[] = [
  ['Server', 'Cisco-CUCM14.0'],
  ['Supported', 'X-cisco-srtp-fallback,X-cisco-sis-9.2.0,X-cisco-supports-AR_SK'],
];
const deviceNameParam = '+u.sip!devicename.ccm.cisco.com';

export class Registrar {
  readonly #options: RegistrarOptions;
  /** Directory number → contacts, newest last. */
  readonly #bindings = new Map<string, readonly Binding[]>();

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  /** Live contacts of a directory number, newest first. */
  lookUp(directoryNumber: string, nowMs: number): readonly Binding[] {
    return this.#live(directoryNumber, nowMs).toReversed();
  }

  /** Answers a REGISTER by the steps of RFC 3261 §10.3. */
  handle(request: SipRequest, nowMs: number): SipResponse {
    try {
      return this.#register(request, nowMs);
    } catch (error) {
      if (error instanceof SipParseError) return this.#refuse(request, 400, error.reason);
      throw error;
    }
  }

  #register(request: SipRequest, nowMs: number): SipResponse {
    // Steps 3 to 5: whose line is this, and may this device have it.
    const device = this.#deviceOf(request);
    if (device === undefined) return this.#refuse(request, 404, 'Not Found');
    if (device.digestPassword !== undefined) {
      const challenge = this.#options.checkDigest(request, device, device.digestPassword);
      if (challenge !== undefined) return this.#refuse(request, 401, 'Unauthorized', [challenge]);
    }
    // Step 6: nothing to change, everything at once, or contact by contact.
    const before = this.#live(device.directoryNumber, nowMs);
    const { contacts } = request;
    if (contacts === '*') return this.#removeAll(request, device, before, nowMs);
    const path = request.headers.getAll('path');
    const after = contacts.reduce<readonly Binding[]>(
      (list, contact) => this.#apply(list, contact, request, path, nowMs),
      before,
    );
    if (after.length > this.#options.maxContacts) return this.#refuse(request, 403, 'Too Many Contacts');
    if (!isNewer(before, request)) return this.#refuse(request, 500, 'CSeq Out Of Order');
    this.#store(device.directoryNumber, after);
    const isNew = contacts.length > 0 && after.some((one) => !before.some((old) => old.uri === one.uri));
    return this.#accept(request, device, after, isNew, nowMs);
  }

  #deviceOf(request: SipRequest): LabDevice | undefined {
    const uri = request.to.uri;
    const number = uri.kind === 'sip' ? uri.user : undefined;
    const device = this.#options.enterprise.devices.find((one) => one.directoryNumber === number);
    const { contacts } = request;
    const named = contacts === '*' ? undefined : contacts[0]?.param(deviceNameParam);
    if (named === undefined) return device;
    return findDevice(this.#options.enterprise, named) === device ? device : undefined;
  }

  #removeAll(request: SipRequest, device: LabDevice, before: readonly Binding[], nowMs: number): SipResponse {
    if (request.expires !== 0) return this.#refuse(request, 400, 'Wildcard Without Expires 0');
    if (!isNewer(before, request)) return this.#refuse(request, 500, 'CSeq Out Of Order');
    this.#store(device.directoryNumber, []);
    return this.#accept(request, device, [], false, nowMs);
  }

  #apply(
    list: readonly Binding[],
    contact: NameAddr,
    request: SipRequest,
    path: readonly string[],
    nowMs: number,
  ): readonly Binding[] {
    const others = list.filter((one) => one.uri !== contact.uriText);
    const asked = Number(contact.param('expires') ?? request.expires ?? this.#options.grantedSeconds);
    if (asked === 0) return others;
    const text = contactText(contact);
    const expiresAtMs = nowMs + this.#options.grantedSeconds * 1000;
    const { callId } = request;
    const cseq = request.cseq.number;
    return [...others, { uri: contact.uriText, contact: text, path, callId, cseq, expiresAtMs }];
  }

  #accept(
    request: SipRequest,
    device: LabDevice,
    bindings: readonly Binding[],
    isNew: boolean,
    nowMs: number,
  ): SipResponse {
    const suffix = `;+u.sip!userid.ccm.cisco.com="${device.userId}"${isNew ? ';x-cisco-newreg' : ''}`;
    const contacts = bindings.map((one): HeaderPair => {
      const left = Math.max(0, Math.round((one.expiresAtMs - nowMs) / 1000));
      return ['Contact', `${one.contact}${suffix};expires=${left}`];
    });
    const paths = request.headers.getAll('path').map((value): HeaderPair => ['Path', value]);
    const expires: HeaderPair = ['Expires', String(bindings.length === 0 ? 0 : this.#options.grantedSeconds)];
    return createResponse(request, 200, 'OK', {
      toTag: this.#options.createTag(),
      headers: [...contacts, ...paths, expires, ...serverHeaders],
    });
  }

  #refuse(request: SipRequest, status: number, reason: string, headers: HeaderPair[] = []): SipResponse {
    return createResponse(request, status, reason, {
      toTag: this.#options.createTag(),
      headers: [...headers, ...serverHeaders],
    });
  }

  #live(directoryNumber: string, nowMs: number): readonly Binding[] {
    return (this.#bindings.get(directoryNumber) ?? []).filter((one) => one.expiresAtMs > nowMs);
  }

  #store(directoryNumber: string, bindings: readonly Binding[]): void {
    if (bindings.length === 0) this.#bindings.delete(directoryNumber);
    else this.#bindings.set(directoryNumber, bindings);
  }
}

// §10.3 step 7: within one Call-ID the CSeq must rise, or this is an old request that arrives late.
function isNewer(before: readonly Binding[], request: SipRequest): boolean {
  return before.every((one) => one.callId !== request.callId || one.cseq < request.cseq.number);
}

function contactText(contact: NameAddr): string {
  return contact.withParams(withoutParam(contact.params, 'expires')).print();
}
