// Framing at every split, and what ends a stream. The dialogue of a real client: messages, keepalives and STUN mixed.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from './parse.ts';
import { MAX_STUN, SipStreamFramer } from './stream-framer.ts';
import type { FrameEvent } from './stream-framer.ts';

// The same cases in every run: a failure must not depend on who runs it.
fc.configureGlobal({ seed: 3261 });

const REGISTER =
  'REGISTER sip:h SIP/2.0\r\nVia: SIP/2.0/TLS a;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:a@h>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n';
const WITH_BODY = `${REGISTER}l: 12\r\n\r\n\r\n\r\nSIP/2.0 `;
const EMPTY = `${REGISTER}Content-Length: 0\r\n\r\n`;
const DIGIT_METHOD = EMPTY.replaceAll('REGISTER', '0x!');
const BAD_CSEQ = EMPTY.replace('1 REGISTER', '1 BYE');
const STUN = '\x00\x01\x00\x08\x21\x12\xA4\x42abcdefghijkl\x80\x28\x00\x04\x01\x02\x03\x04';

function bytes(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

function word(event: FrameEvent): string {
  switch (event.kind) {
    case 'message':
      return `${event.message.kind === 'request' ? event.message.method : event.message.status}+${event.message.body.length}`;
    case 'malformed':
    case 'error':
      return `${event.kind} ${event.error.code}`;
    case 'stun':
      return `stun ${event.bytes.length}`;
    default:
      return event.kind;
  }
}

function frame(chunks: readonly Buffer[], pings = 0): string[] {
  const framer = new SipStreamFramer(DEFAULT_LIMITS);
  for (let ping = 0; ping < pings; ping++) framer.pingSent();
  return chunks.flatMap((chunk) => framer.push(chunk)).map(word);
}

describe('events', () => {
  const rows: readonly [name: string, stream: string, events: string[]][] = [
    ['one message', EMPTY, ['REGISTER+0']],
    ['body that looks like keepalive and message', WITH_BODY, ['REGISTER+12']],
    ['several messages in one chunk', EMPTY + WITH_BODY + EMPTY, ['REGISTER+0', 'REGISTER+12', 'REGISTER+0']],
    ['a ping', '\r\n\r\n', ['ping']],
    ['two pings', '\r\n\r\n\r\n\r\n', ['ping', 'ping']],
    ['a blank line before a message', `\r\n${EMPTY}`, ['REGISTER+0']],
    ['a ping and a blank line before a message', `\r\n\r\n\r\n${EMPTY}`, ['ping', 'REGISTER+0']],
    ['STUN between messages', EMPTY + STUN + EMPTY, ['REGISTER+0', 'stun 28', 'REGISTER+0']],
    ['STUN, ping, STUN', `${STUN}\r\n\r\n${STUN}`, ['stun 28', 'ping', 'stun 28']],
    ['a method that begins like STUN', DIGIT_METHOD, ['0x!+0']],
    ['a malformed message does not end the stream', BAD_CSEQ + EMPTY, ['malformed cseq', 'REGISTER+0']],
    ['a response', EMPTY.replace('REGISTER sip:h SIP/2.0', 'SIP/2.0 200 OK'), ['200+0']],
    ['no Content-Length', `${REGISTER}\r\n${EMPTY}`, ['error content-length']],
    ['two Content-Length', `${REGISTER}l: 0\r\nl: 0\r\n\r\n${EMPTY}`, ['error content-length']],
    ['bare line feeds', EMPTY.replaceAll('\r\n', '\n'), ['error line-end']],
    ['a bare line feed inside a head', EMPTY.replace('\r\nTo', '\nTo'), ['error line-end']],
    ['a lone carriage return', '\rX', ['error line-end']],
    ['binary', '\x01\x02\x03\x04\x05\x06\x07\x08', ['error not-sip']],
    ['a TLS handshake on the wrong port', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc', ['error not-sip']],
    ['HTTP', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', ['error not-sip']],
    ['a line feed first', '\nREGISTER', ['error not-sip']],
    ['high bytes first', '\xFF\xFE', ['error not-sip']],
    ['an oversized STUN', '\x00\x01\x10\x00\x21\x12\xA4\x42', ['error too-long']],
    ['an odd STUN length', '\x00\x01\x00\x03\x21\x12\xA4\x42', ['error too-long']],
    ['a body above the limit', `${REGISTER}l: 40000\r\n\r\n`, ['error too-long']],
    ['a head above the limit', `${REGISTER}X: ${'x'.repeat(33_000)}`, ['error too-long']],
    ['nothing after an error', `\x01\x02\x03\x04\x05\x06\x07\x08${EMPTY}`, ['error not-sip']],
  ];

  it.each(rows)('%s', (_name, stream, events) => {
    expect(frame([bytes(stream)])).toEqual(events);
  });

  it.each(rows)('%s, byte by byte', (name, stream, events) => {
    const ended = frame([...bytes(stream)].map((byte) => Buffer.of(byte)));
    // Bare line feeds are seen at the first blank line, which may come before the whole head is there.
    expect([name, ended]).toEqual([name, events]);
  });
});

describe('splits', () => {
  const stream = bytes(`${EMPTY}${STUN}${WITH_BODY}${BAD_CSEQ}\r\n\r\n${EMPTY}`);
  const whole = frame([stream]);

  it('every cut into two gives the same events', () => {
    for (let cut = 1; cut < stream.length; cut++) {
      expect(frame([stream.subarray(0, cut), stream.subarray(cut)])).toEqual(whole);
    }
  });

  it('any cut into many gives the same events', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(stream.length), { maxLength: 30 }), (cuts) => {
        const edges = [0, ...cuts.sort((a, b) => a - b), stream.length];
        const chunks = edges.slice(1).map((edge, index) => Buffer.from(stream.subarray(edges[index], edge)));
        expect(frame(chunks)).toEqual(whole);
      }),
    );
  });

  it('events own their bytes: the chunk may be overwritten', () => {
    const framer = new SipStreamFramer(DEFAULT_LIMITS);
    const chunk = bytes(WITH_BODY + STUN);
    const [message, stun] = framer.push(chunk);
    chunk.fill(0x78);
    expect(message?.kind === 'message' && message.message.print().toString('latin1')).toBe(WITH_BODY);
    expect(stun?.kind === 'stun' && stun.bytes.toString('latin1')).toBe(STUN);
  });

  it('any bytes give events or one error, and never more memory than a message', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((part) => Buffer.from(part)),
      fc.constantFrom(bytes(EMPTY), bytes(STUN), bytes('\r\n'), bytes('\r\n\r\n'), bytes(REGISTER)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        const framer = new SipStreamFramer(DEFAULT_LIMITS);
        const events = pieces.flatMap((part) => framer.push(part));
        const errors = events.filter((event) => event.kind === 'error');
        expect(errors.length).toBeLessThanOrEqual(1);
        if (errors.length === 1) expect(events.at(-1)?.kind).toBe('error');
        expect(framer.heldBytes).toBeLessThanOrEqual(DEFAULT_LIMITS.maxMessageBytes);
      }),
    );
  });
});

describe('limits and keepalive', () => {
  it('takes a message of exactly the limit and holds nothing afterwards', () => {
    const head = `${REGISTER}Content-Length: 30000\r\n\r\n`;
    const framer = new SipStreamFramer({ maxMessageBytes: head.length + 30_000, maxHeaderLines: 20 });
    const events = [bytes(head), Buffer.alloc(29_999)].flatMap((chunk) => framer.push(chunk));
    expect([events.length, framer.heldBytes]).toEqual([0, head.length + 29_999]);
    expect(framer.push(Buffer.alloc(1)).map(word)).toEqual(['REGISTER+30000']);
    expect(framer.heldBytes).toBe(0);
    const smaller = new SipStreamFramer({ maxMessageBytes: head.length + 29_999, maxHeaderLines: 20 });
    expect(smaller.push(bytes(head)).map(word)).toEqual(['error too-long']);
  });

  it('hands the request of an unframeable message out so that it can be answered', () => {
    const [event] = new SipStreamFramer(DEFAULT_LIMITS).push(bytes(`${REGISTER}\r\n`));
    expect(event?.kind === 'error' && event.error.request?.method).toBe('REGISTER');
  });

  it('a lone CRLF is the pong of our ping, otherwise half a ping', () => {
    expect(frame([bytes('\r\n')], 1)).toEqual(['pong']);
    expect(frame([bytes('\r\n')])).toEqual([]);
    expect(frame([bytes('\r\n'), bytes('\r\n')])).toEqual(['ping']);
    expect(frame([bytes(`\r\n${EMPTY}`)], 1)).toEqual(['pong', 'REGISTER+0']);
    expect(frame([bytes('\r\n\r\n\r\n')], 1)).toEqual(['ping', 'pong']);
  });

  it(`takes STUN up to ${MAX_STUN} bytes`, () => {
    const longest = Buffer.alloc(MAX_STUN);
    longest.writeUInt16BE(1, 0);
    longest.writeUInt16BE(MAX_STUN - 20, 2);
    longest.writeUInt32BE(0x2112_a442, 4);
    expect(frame([longest])).toEqual([`stun ${MAX_STUN}`]);
  });
});
