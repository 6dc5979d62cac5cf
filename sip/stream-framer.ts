// Cuts a TCP or TLS stream into SIP messages, keepalives and STUN. Sans-I/O: bytes in, events out.
// RFC 3261 §7.5, §18.3, §20.14; RFC 5626 §4.4.1 (CRLFCRLF ping, CRLF pong); STUN as mra-wire §3.7.
//   0x00..0x3F and 2112A442 at offset 4 → STUN;  CR LF CR LF → ping;  CR LF → pong;  else a message:
//   head CRLF CRLF body[Content-Length]
// Trusts nothing. Holds at most one message of `maxMessageBytes` beyond the chunk just given. Bytes are scanned once.

import { isTokenCode } from './characters.ts';
import type { SipRequest, SipResponse } from './message.ts';
import { parseHead } from './parse.ts';
import type { ParsedHead, ParseLimits } from './parse.ts';
import { SipParseError } from './parse-error.ts';

/** What the stream held. After `error` the stream has no meaning any more: close it. */
export type FrameEvent =
  | { readonly kind: 'message'; readonly message: SipRequest | SipResponse }
  /** A message that could be framed but not accepted; the stream goes on. */
  | { readonly kind: 'malformed'; readonly error: SipParseError }
  | { readonly kind: 'ping' }
  | { readonly kind: 'pong' }
  | { readonly kind: 'stun'; readonly bytes: Buffer }
  | { readonly kind: 'error'; readonly error: SipParseError };

/** Longest STUN message taken from a stream, header included; a Binding request with integrity is below 200 bytes. */
export const MAX_STUN = 1024;

const STUN_HEADER = 20;
const STUN_COOKIE = 0x2112_a442;
const FIRST_STORAGE = 2048;
const NO_BYTES = Buffer.alloc(0);
const PING: FrameEvent = { kind: 'ping' };
const PONG: FrameEvent = { kind: 'pong' };

interface Awaited {
  readonly parsed: ParsedHead;
  readonly headBytes: number;
  readonly totalBytes: number;
}

/** One direction of one stream. */
export class SipStreamFramer {
  readonly #limits: ParseLimits;
  #storage = NO_BYTES;
  #held = 0;
  #scanned = 0;
  #awaited: Awaited | undefined;
  #pingsOut = 0;
  #hasFailed = false;

  constructor(limits: ParseLimits) {
    this.#limits = limits;
  }

  /** Bytes of an unfinished message kept for the next chunk. */
  get heldBytes(): number {
    return this.#held;
  }

  /** Tells the framer that we sent a ping, so that a lone CRLF is its pong and not half a ping of the peer. */
  pingSent(): void {
    this.#pingsOut++;
  }

  /** Takes the next bytes. The chunk may be reused afterwards: events own their bytes. */
  push(chunk: Buffer): FrameEvent[] {
    const events: FrameEvent[] = [];
    if (this.#hasFailed) return events;
    const bytes = this.#held === 0 ? chunk : this.#hold(chunk);
    let at = 0;
    try {
      for (let used = 1; used > 0 && at < bytes.length; at += used) used = this.#next(bytes, at, events);
    } catch (error) {
      this.#fail(error, events);
      return events;
    }
    this.#keep(bytes, at);
    return events;
  }

  /** Takes one unit at `at`; returns the bytes used, 0 when more are needed. */
  #next(bytes: Buffer, at: number, events: FrameEvent[]): number {
    if (this.#awaited === undefined) {
      const first = bytes[at] ?? 0;
      if (first === 0x0d) return this.#lineEnds(bytes, at, events);
      if (first < 0x40) {
        const used = this.#stunOrToken(bytes, at, first, events);
        if (used >= 0) return used;
      } else if (!isTokenCode(first)) throw new SipParseError('not-sip', 'Not SIP');
      if (!this.#head(bytes, at)) return 0;
    }
    return this.#body(bytes, at, events);
  }

  // RFC 5626 §4.4.1 and RFC 3261 §7.5. Two line ends are a ping. One is the pong we wait for; when we wait for none
  // it is half a ping that TCP has split, or a blank line before a message.
  #lineEnds(bytes: Buffer, at: number, events: FrameEvent[]): number {
    const available = bytes.length - at;
    for (let index = 1; index < Math.min(available, 2); index++) {
      if (bytes[at + index] !== 0x0a) throw new SipParseError('line-end', 'Malformed Line End');
    }
    if (available >= 4 && bytes[at + 2] === 0x0d && bytes[at + 3] === 0x0a) {
      events.push(PING);
      return 4;
    }
    if (available < 2) return 0;
    const couldBePing = available === 2 || (available === 3 && bytes[at + 2] === 0x0d);
    if (this.#pingsOut > 0 && (available === 2 || !couldBePing)) {
      this.#pingsOut = 0;
      events.push(PONG);
      return 2;
    }
    return couldBePing ? 0 : 2;
  }

  /** -1: this is a message after all. */
  #stunOrToken(bytes: Buffer, at: number, first: number, events: FrameEvent[]): number {
    const available = bytes.length - at;
    const canBeMessage = isTokenCode(first);
    if (available < 8) {
      if (canBeMessage && available > 4 && bytes[at + 4] !== 0x21) return -1;
      return 0;
    }
    if (bytes.readUInt32BE(at + 4) !== STUN_COOKIE) {
      if (canBeMessage) return -1;
      throw new SipParseError('not-sip', 'Neither SIP Nor STUN');
    }
    const total = STUN_HEADER + bytes.readUInt16BE(at + 2);
    if (total > MAX_STUN || total % 4 !== 0) throw new SipParseError('too-long', 'STUN Message Too Long');
    if (available < total) return 0;
    events.push({ kind: 'stun', bytes: Buffer.from(bytes.subarray(at, at + total)) });
    return total;
  }

  #head(bytes: Buffer, at: number): boolean {
    const from = at + Math.max(this.#scanned - 3, 0);
    const end = bytes.indexOf('\r\n\r\n', from, 'latin1');
    if (end < 0) {
      this.#checkUnfinished(bytes, at, from);
      this.#scanned = bytes.length - at;
      return false;
    }
    const headBytes = end + 4 - at;
    if (headBytes > this.#limits.maxMessageBytes)
      throw new SipParseError('too-long', 'Message Too Large', 513);
    const parsed = parseHead(bytes.toString('latin1', at, end + 2), this.#limits);
    this.#scanned = 0;
    this.#awaited = { parsed, headBytes, totalBytes: headBytes + this.#bodyBytes(parsed, headBytes) };
    return true;
  }

  // A sender of bare LF would never finish a head: it is told at once instead of at the size limit.
  #checkUnfinished(bytes: Buffer, at: number, from: number): void {
    if (bytes.length - at > this.#limits.maxMessageBytes) {
      throw new SipParseError('too-long', 'Message Too Large', 513);
    }
    if (bytes.indexOf('\n\n', from, 'latin1') >= 0) throw new SipParseError('line-end', 'Malformed Line End');
  }

  #bodyBytes(parsed: ParsedHead, headBytes: number): number {
    const { contentLength, message } = parsed;
    let error: SipParseError | undefined;
    // §20.14: on streams the header is mandatory, without it the next message cannot be found.
    if (contentLength === undefined) error = new SipParseError('content-length', 'Missing Content-Length');
    else if (headBytes + contentLength > this.#limits.maxMessageBytes) {
      error = new SipParseError('too-long', 'Message Too Large', 513);
    }
    if (error === undefined) return contentLength ?? 0;
    if (message.kind === 'request' && message.headers.has('via')) error.request = message;
    throw error;
  }

  #body(bytes: Buffer, at: number, events: FrameEvent[]): number {
    const awaited = this.#awaited;
    if (awaited === undefined || bytes.length - at < awaited.totalBytes) return 0;
    this.#awaited = undefined;
    const { message, fault } = awaited.parsed;
    if (fault !== undefined) events.push({ kind: 'malformed', error: fault });
    else {
      if (awaited.totalBytes > awaited.headBytes) {
        message.attachBody(Buffer.from(bytes.subarray(at + awaited.headBytes, at + awaited.totalBytes)));
      }
      events.push({ kind: 'message', message });
    }
    return awaited.totalBytes;
  }

  #hold(chunk: Buffer): Buffer {
    const needed = this.#held + chunk.length;
    if (needed > this.#storage.length) this.#grow(needed);
    chunk.copy(this.#storage, this.#held);
    this.#held = needed;
    return this.#storage.subarray(0, needed);
  }

  #keep(bytes: Buffer, from: number): void {
    const rest = bytes.length - from;
    if (rest === 0) this.#storage = NO_BYTES;
    else if (this.#held > 0) this.#storage.copyWithin(0, from, bytes.length);
    else {
      this.#grow(rest);
      bytes.copy(this.#storage, 0, from);
    }
    this.#held = rest;
  }

  // Doubling keeps the copying linear however small the chunks are.
  #grow(needed: number): void {
    const storage = Buffer.allocUnsafeSlow(Math.max(FIRST_STORAGE, this.#storage.length * 2, needed));
    this.#storage.copy(storage, 0, 0, this.#held);
    this.#storage = storage;
  }

  #fail(error: unknown, events: FrameEvent[]): void {
    if (!(error instanceof SipParseError)) throw error;
    this.#hasFailed = true;
    this.#storage = NO_BYTES;
    this.#held = 0;
    this.#awaited = undefined;
    events.push({ kind: 'error', error });
  }
}
