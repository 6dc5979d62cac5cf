// SIP requests and responses, RFC 3261 §7. Headers stay raw and in order (header-list.ts); typed reading is lazy and
// kept until the header is edited. A message nobody edited prints the very bytes it was parsed from.
// A value read here may throw SipParseError when its header is malformed; the essential ones were checked by parse.ts.

import { isLineSafe, isToken, parseDecimal } from './characters.ts';
import { parseCSeq } from './cseq.ts';
import type { CSeq } from './cseq.ts';
import { HeaderList } from './header-list.ts';
import { parseNameAddr } from './name-addr.ts';
import type { NameAddr } from './name-addr.ts';
import { SipParseError } from './parse-error.ts';
import { parseUri } from './uri.ts';
import type { Uri } from './uri.ts';
import { parseVia } from './via.ts';
import type { Via } from './via.ts';

/** Contact is either the wildcard of a REGISTER that removes all bindings or a list of addresses. */
export type Contacts = '*' | readonly NameAddr[];

/** Longest method accepted, in bytes. The longest registered one has nine; RFC 4475 tortures with 43. */
export const MAX_METHOD = 64;

const NO_BODY = Buffer.alloc(0);

/** What requests and responses have in common. */
export abstract class SipMessage {
  abstract readonly kind: 'request' | 'response';
  readonly headers: HeaderList;
  #body: Buffer = NO_BODY;
  #head: string | undefined;

  protected constructor(headers: HeaderList, head: string | undefined) {
    this.headers = headers;
    this.#head = head;
  }

  /** First line without its line end. */
  abstract get startLine(): string;

  get body(): Buffer {
    return this.#body;
  }

  /** The body as it was framed; Content-Length is left alone. For parsers. */
  attachBody(body: Buffer): void {
    this.#body = body;
  }

  /** Replaces the body and what describes it; an empty body loses its Content-Type. */
  setBody(body: Buffer, contentType?: string): void {
    this.#body = body;
    if (contentType !== undefined) this.headers.set('Content-Type', contentType);
    if (body.length === 0) this.headers.delete('Content-Type');
    this.headers.set('Content-Length', String(body.length));
  }

  get callId(): string {
    return required(this.headers, 'call-id');
  }

  get cseq(): CSeq {
    return this.headers.parsed('cseq', (headers) => parseCSeq(required(headers, 'cseq')));
  }

  get from(): NameAddr {
    return this.headers.parsed('from', (headers) => parseNameAddr(required(headers, 'from')));
  }

  get to(): NameAddr {
    return this.headers.parsed('to', (headers) => parseNameAddr(required(headers, 'to')));
  }

  /** The newest hop: first value of the first Via line. */
  get topVia(): Via {
    return this.headers.parsed('via', (headers) => parseVia(headers.first('via') ?? missing('via')));
  }

  /** All hops, newest first. */
  get vias(): readonly Via[] {
    return this.headers.getAll('via').map(parseVia);
  }

  get contacts(): Contacts {
    return this.headers.parsed('contact', parseContacts);
  }

  /** Remaining hops, undefined when the header is missing (RFC 3261 §16.3 step 3 lets such a request pass). */
  get maxForwards(): number | undefined {
    const value = this.headers.get('max-forwards');
    if (value === undefined) return undefined;
    const hops = parseDecimal(value);
    if (hops < 0 || hops > 255) throw new SipParseError('max-forwards', 'Malformed Max-Forwards');
    return hops;
  }

  /** Seconds of the Expires header, undefined when missing or malformed (RFC 3261 §20.19 treats the latter as absent). */
  get expires(): number | undefined {
    const value = this.headers.get('expires');
    const seconds = value === undefined ? -1 : parseDecimal(value);
    return seconds < 0 ? undefined : Math.min(seconds, 0xffff_ffff);
  }

  /** Addresses of a list header such as Route, Record-Route or Path, in order. */
  addresses(name: string): readonly NameAddr[] {
    return this.headers.getAll(name).map(parseNameAddr);
  }

  /** The message as it goes on the wire. */
  print(): Buffer {
    const head = this.#printHead();
    const bytes = Buffer.allocUnsafe(head.length + this.#body.length);
    bytes.write(head, 0, 'latin1');
    this.#body.copy(bytes, head.length);
    return bytes;
  }

  protected forgetHead(): void {
    this.#head = undefined;
  }

  protected get rawHead(): string | undefined {
    return this.headers.isEdited ? undefined : this.#head;
  }

  #printHead(): string {
    const head = this.rawHead;
    return head === undefined ? `${this.startLine}\r\n${this.headers.print()}\r\n` : `${head}\r\n`;
  }
}

/** A request. Method and Request-URI can be replaced; everything else is edited through `headers`. */
export class SipRequest extends SipMessage {
  readonly kind = 'request';
  readonly method: string;
  #uriText: string;
  #uri: Uri | undefined;

  /** `head` is the raw start line and header lines, given by the parser for faithful printing. */
  constructor(method: string, uriText: string, headers = new HeaderList(), head?: string) {
    super(headers, head);
    this.method = method;
    this.#uriText = uriText;
  }

  get startLine(): string {
    return `${this.method} ${this.#uriText} SIP/2.0`;
  }

  /** The Request-URI as written. */
  get uriText(): string {
    return this.#uriText;
  }

  set uriText(text: string) {
    if (!isLineSafe(text) || text.includes(' ')) throw new SipParseError('uri', 'Malformed URI', 500);
    this.#uriText = text;
    this.#uri = undefined;
    this.forgetHead();
  }

  get uri(): Uri {
    return (this.#uri ??= parseUri(this.#uriText));
  }

  /** Route values, topmost first. */
  get routes(): readonly NameAddr[] {
    return this.headers.parsed('route', () => this.addresses('route'));
  }

  /** A copy that can be edited apart; the body is shared. */
  clone(): SipRequest {
    const copy = new SipRequest(this.method, this.#uriText, this.headers.clone(), this.rawHead);
    copy.#uri = this.#uri;
    copy.attachBody(this.body);
    return copy;
  }
}

/** A response. */
export class SipResponse extends SipMessage {
  readonly kind = 'response';
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, headers = new HeaderList(), head?: string) {
    super(headers, head);
    this.status = status;
    this.reason = reason;
  }

  get startLine(): string {
    return `SIP/2.0 ${this.status} ${this.reason}`;
  }

  get isProvisional(): boolean {
    return this.status < 200;
  }

  get isSuccess(): boolean {
    return this.status >= 200 && this.status < 300;
  }

  /** A copy that can be edited apart; the body is shared. */
  clone(): SipResponse {
    const copy = new SipResponse(this.status, this.reason, this.headers.clone(), this.rawHead);
    copy.attachBody(this.body);
    return copy;
  }
}

/** Whether text can be a method: a token. Methods are case-sensitive (RFC 3261 §7.1). */
export function isMethod(text: string): boolean {
  return text.length <= MAX_METHOD && isToken(text);
}

function parseContacts(headers: HeaderList): Contacts {
  const values = headers.getAll('contact');
  if (values.length === 1 && values[0] === '*') return '*';
  if (values.includes('*')) throw new SipParseError('address', 'Contact Wildcard With Addresses');
  return values.map(parseNameAddr);
}

function required(headers: HeaderList, key: string): string {
  return headers.get(key) ?? missing(key);
}

function missing(key: string): never {
  throw new SipParseError('missing-header', `Missing ${key}`);
}
