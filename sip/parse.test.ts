// Parsing whole messages: what is refused and under which word, what survives byte for byte, and that no input
// whatsoever makes the parser throw anything but its own error. RFC 3261 §7; attacks T-050, T-051, T-053, T-062.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createErrorResponse } from './build.ts';
import { MAX_CALL_ID, DEFAULT_LIMITS, parseMessage } from './parse.ts';
import { SipParseError } from './parse-error.ts';
import type { ParseFault } from './parse-error.ts';
import { MAX_TAG } from './name-addr.ts';
import { MAX_BRANCH } from './via.ts';

// The same cases in every run: a failure must not depend on who runs it.
fc.configureGlobal({ seed: 3261 });

const REGISTER = [
  'REGISTER sip:cmpub01.example.local SIP/2.0',
  'Via: SIP/2.0/TLS 172.16.84.136:58980;branch=z9hG4bK00003665',
  'From: <sip:10001@cmpub01.example.local>;tag=005056',
  'To: <sip:10001@cmpub01.example.local>',
  'Call-ID: 00505696-779a0005@172.16.84.136',
  'Max-Forwards: 70',
  'CSeq: 104 REGISTER',
  'Contact: <sip:7514c56a-1034@172.16.84.136:58980;transport=tls>;+sip.instance="<urn:uuid:00000000-0000-0000-0000-00505696779a>";+u.sip!devicename.ccm.cisco.com="CSFMRA01";video;x-cisco-mra-ha=AR_SK',
  'Content-Length: 0',
];

function message(lines: readonly string[], body = ''): Buffer {
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
}

/** The sample with lines replaced by header name (a missing one is added), or removed when undefined. */
function changed(changes: Record<string, string | undefined>, body = ''): Buffer {
  const lines = [...REGISTER];
  for (const [name, line] of Object.entries(changes)) {
    const at = name === 'start' ? 0 : lines.findIndex((old) => old.startsWith(`${name}:`));
    if (at < 0) lines.push(line ?? '');
    else if (line === undefined) lines.splice(at, 1);
    else lines[at] = line;
  }
  return message(lines, body);
}

function faultOf(bytes: Buffer): ParseFault | 'parsed' {
  try {
    parseMessage(bytes);
    return 'parsed';
  } catch (error) {
    if (error instanceof SipParseError) return error.code;
    throw error;
  }
}

describe('refusals', () => {
  const rows: readonly [name: string, bytes: Buffer, fault: ParseFault][] = [
    ['nothing', Buffer.alloc(0), 'line-end'],
    ['an empty head', Buffer.from('\r\n\r\n'), 'not-sip'],
    ['HTTP', message(['GET / HTTP/1.1', 'Host: a']), 'not-sip'],
    [
      'a bare LF',
      Buffer.from(message(REGISTER).toString('latin1').replace('\r\nTo', '\nTo'), 'latin1'),
      'line-end',
    ],
    ['a bare CR', changed({ To: 'To: <sip:a@b>\rX: y' }), 'line-end'],
    ['CR CR LF', changed({ To: 'To: <sip:a@b>\r' }), 'line-end'],
    ['NUL in a header', changed({ To: 'To: <sip:a\0@b>' }), 'line-end'],
    ['a folded first line', changed({ Via: ' Via: SIP/2.0/TLS h;branch=z9hG4bK1' }), 'header-name'],
    ['a header without colon', changed({ X: 'Xyz' }), 'header-name'],
    ['a header without name', changed({ X: ': v' }), 'header-name'],
    ['a header name with a space inside', changed({ X: 'X Y: v' }), 'header-name'],
    ['a header name that is no token', changed({ X: 'X(Y): v' }), 'header-name'],
    [
      'too many header lines',
      message([...REGISTER, ...Array.from({ length: 256 }, () => 'X: y')]),
      'header-count',
    ],
    ['a message above the limit', changed({}, 'x'.repeat(40_000)), 'too-long'],
    ['no From', changed({ From: undefined }), 'missing-header'],
    ['no Via', changed({ Via: undefined }), 'missing-header'],
    ['no CSeq', changed({ CSeq: undefined }), 'missing-header'],
    ['no Call-ID', changed({ 'Call-ID': undefined }), 'missing-header'],
    ['two From', message([...REGISTER, 'f: <sip:evil@b>;tag=2']), 'duplicate-header'],
    ['two Call-ID in other spellings', message([...REGISTER, 'I : other']), 'duplicate-header'],
    ['two Max-Forwards', message([...REGISTER, 'MAX-forwards: 3']), 'duplicate-header'],
    ['two Content-Length, the same', message([...REGISTER, 'l: 0']), 'content-length'],
    ['negative Content-Length', changed({ 'Content-Length': 'Content-Length: -1' }), 'content-length'],
    ['signed Content-Length', changed({ 'Content-Length': 'Content-Length: +0' }), 'content-length'],
    ['list in Content-Length', changed({ 'Content-Length': 'Content-Length: 0, 0' }), 'content-length'],
    ['empty Content-Length', changed({ 'Content-Length': 'Content-Length:' }), 'content-length'],
    [
      'overflowing Content-Length',
      changed({ 'Content-Length': 'Content-Length: 18446744073709551616' }),
      'content-length',
    ],
    ['folded Content-Length', changed({ 'Content-Length': 'Content-Length:\r\n 0' }), 'folding'],
    ['folded compact Content-Length', changed({ 'Content-Length': 'L :\r\n 0' }), 'folding'],
    ['body shorter than Content-Length', changed({ 'Content-Length': 'l: 10' }, 'short'), 'body'],
    ['CSeq of another method', changed({ CSeq: 'CSeq: 104 INVITE' }), 'cseq'],
    ['CSeq method in lower case', changed({ CSeq: 'CSeq: 104 register' }), 'cseq'],
    ['CSeq of 2^31', changed({ CSeq: 'CSeq: 2147483648 REGISTER' }), 'cseq'],
    ['CSeq negative', changed({ CSeq: 'CSeq: -1 REGISTER' }), 'cseq'],
    ['CSeq without number', changed({ CSeq: 'CSeq: REGISTER' }), 'cseq'],
    ['Max-Forwards above 255', changed({ 'Max-Forwards': 'Max-Forwards: 256' }), 'max-forwards'],
    ['Max-Forwards negative', changed({ 'Max-Forwards': 'Max-Forwards: -1' }), 'max-forwards'],
    ['a Via of another protocol', changed({ Via: 'Via: SIP/3.0/TLS h;branch=z9hG4bK1' }), 'via'],
    ['a Via without host', changed({ Via: 'Via: SIP/2.0/TLS ;branch=z9hG4bK1' }), 'via'],
    [
      'a Via with two branches',
      changed({ Via: 'Via: SIP/2.0/TLS h;branch=z9hG4bK1;Branch=z9hG4bK2' }),
      'value',
    ],
    [
      'a long branch',
      changed({ Via: `Via: SIP/2.0/TLS h;branch=z9hG4bK${'x'.repeat(MAX_BRANCH)}` }),
      'too-long',
    ],
    ['a long From tag', changed({ From: `From: <sip:a@b>;tag=${'x'.repeat(MAX_TAG + 1)}` }), 'too-long'],
    ['an empty tag', changed({ From: 'From: <sip:a@b>;tag=""' }), 'address'],
    ['two tags', changed({ From: 'From: <sip:a@b>;tag=1;TAG=2' }), 'value'],
    ['a long Call-ID', changed({ 'Call-ID': `Call-ID: ${'x'.repeat(MAX_CALL_ID + 1)}` }), 'too-long'],
    ['a Call-ID with a space', changed({ 'Call-ID': 'Call-ID: a b' }), 'value'],
    ['From without closing bracket', changed({ From: 'From: <sip:a@b;tag=1' }), 'address'],
    ['text after the address', changed({ To: 'To: <sip:a@b> evil' }), 'value'],
    ['a Request-URI without scheme', changed({ start: 'REGISTER example.com SIP/2.0' }), 'uri'],
    ['a Request-URI with two @', changed({ start: 'REGISTER sip:a@b@c SIP/2.0' }), 'uri'],
    ['a Request-URI with a bad port', changed({ start: 'REGISTER sip:a@b:70000 SIP/2.0' }), 'uri'],
    ['a Request-URI of 3 KiB', changed({ start: `REGISTER sip:${'a'.repeat(3000)}@b SIP/2.0` }), 'too-long'],
    ['a tab in the start line', changed({ start: 'REGISTER\tsip:b SIP/2.0' }), 'not-sip'],
    ['an unknown version', changed({ start: 'REGISTER sip:b SIP/3.0' }), 'version'],
    ['a status of 700', changed({ start: 'SIP/2.0 700 No' }), 'start-line'],
    ['a status of 099', changed({ start: 'SIP/2.0 099 No' }), 'start-line'],
  ];

  it.each(rows)('%s', (_name, bytes, fault) => {
    expect(faultOf(bytes)).toBe(fault);
  });

  it('carry the request when it can be answered, and the answer names the fault', () => {
    const error = refusal(changed({ CSeq: 'CSeq: 1 INVITE' }));
    const response = createErrorResponse(error);
    expect(response?.startLine).toBe('SIP/2.0 400 CSeq Method Mismatch');
    expect(response?.headers.get('via')).toContain('z9hG4bK00003665');
    expect(response?.headers.get('to')).toMatch(/;tag=[0-9a-f]{16}$/);
  });

  it('carry none for responses, ACK and what has no Via', () => {
    const rowsWithout = [
      changed({ start: 'SIP/2.0 200 OK', CSeq: 'CSeq: x' }),
      changed({ start: 'ACK sip:b SIP/2.0', CSeq: 'CSeq: x' }),
      changed({ Via: undefined }),
    ];
    for (const bytes of rowsWithout) expect(createErrorResponse(refusal(bytes))).toBeUndefined();
  });
});

function refusal(bytes: Buffer): SipParseError {
  try {
    parseMessage(bytes);
  } catch (error) {
    if (error instanceof SipParseError) return error;
  }
  throw new Error('was not refused');
}

describe('one canonical name (T-050)', () => {
  const spellings = [
    'X-Internal: 1',
    'x-internal:1',
    'X-INTERNAL : 1',
    'X-Internal\t: 1',
    'X-Internal \t :\r\n 1',
    'X-Internal:\r\n\t1',
  ];

  it.each(spellings)('%j is found and stripped', (line) => {
    const parsed = parseMessage(message([...REGISTER, line]));
    expect(parsed.headers.get('X-Internal')).toBe('1');
    expect(parsed.headers.strip(new Set(['x-internal']))).toBe(1);
    expect(parsed.print().toString('latin1').toLowerCase()).not.toContain('internal');
  });

  it('a header hidden in a folded line never reaches the next hop as a line of its own', () => {
    const parsed = parseMessage(
      message([...REGISTER, 'Subject: hello', ' P-Asserted-Identity: <sip:ceo@example.com>']),
    );
    expect(parsed.headers.has('p-asserted-identity')).toBe(false);
    const printed = parsed.print().toString('latin1');
    expect(printed).toContain('\r\nSubject: hello P-Asserted-Identity: <sip:ceo@example.com>\r\n');
    expect(parseMessage(parsed.print()).headers.has('p-asserted-identity')).toBe(false);
  });
});

describe('faithfulness', () => {
  it('prints what it parsed', () => {
    const bytes = message([...REGISTER, 'X-Odd :   spaces, here\t', 'Subject: \xE2\x82\xAC'], '');
    expect(parseMessage(bytes).print()).toEqual(bytes);
  });

  it('keeps the other lines as they are when one is edited', () => {
    const bytes = message([...REGISTER.slice(0, -1), 'X-Odd :   a,  b\t', 'l:4'], 'v=0\n');
    const parsed = parseMessage(bytes);
    parsed.headers.set('Max-Forwards', '14');
    expect(parsed.print().toString('latin1')).toBe(
      bytes.toString('latin1').replace('Max-Forwards: 70', 'Max-Forwards: 14'),
    );
  });

  it('holds for any valid message', () => {
    const token = fc.stringMatching(/^[a-zA-Z][a-zA-Z0-9.!%*_+`'~-]{0,12}$/);
    const value = fc.stringMatching(/^[!-~]([ -~\x80-\xff]{0,40}[!-~])?$/);
    const blank = fc.constantFrom('', ' ', '\t', '  ');
    const header = fc
      .tuple(token, blank, blank, value, blank)
      .map(([name, a, b, text, c]) => `X-${name}${a}:${b}${text}${c}`);
    fc.assert(
      fc.property(fc.array(header, { maxLength: 12 }), fc.uint8Array({ maxLength: 60 }), (headers, body) => {
        const lines = [...REGISTER.slice(0, -1), ...headers, `Content-Length: ${body.length}`];
        const bytes = Buffer.concat([message(lines), body]);
        const parsed = parseMessage(bytes);
        expect(parsed.print()).toEqual(bytes);
        const edited = parsed.clone();
        edited.headers.prepend('Via', 'SIP/2.0/TLS edge:7001;branch=z9hG4bKnew');
        edited.headers.removeFirst('Via');
        expect(edited.print()).toEqual(bytes);
      }),
    );
  });
});

describe('hostile input', () => {
  // A generator in the manner of PROTOS c07-sip: each part of a valid INVITE is replaced by each anomaly.
  const invite = [
    'INVITE sip:bob@example.com SIP/2.0',
    'Via: SIP/2.0/TLS client.example.com:5061;branch=z9hG4bK74bf9;rport',
    'Max-Forwards: 70',
    'From: "Alice" <sip:alice@example.com>;tag=9fxced76sl',
    'To: Bob <sip:bob@example.com>',
    'Call-ID: 3848276298220188511@client.example.com',
    'CSeq: 1 INVITE',
    'Contact: <sip:alice@client.example.com;transport=tls>',
    'Route: <sip:core.example.com:5061;transport=tls;zone-id=1;directed;lr>',
    'Content-Type: application/sdp',
    'Content-Length: 4',
  ];
  const anomalies = [
    '', ' ', '\t', '\0', '\r', '\n', '\r\n', '\r\n\r\n', '\r\n ', ':', ';', ',', '=', '"', '\\', '<', '>', '<>', '@', '/', '?', '%', '%00', '%n%s',
    '-1', '0', '4294967296', '18446744073709551616', '1e9', '0x10', '\xFF', '\xC0\x80', '[', ']', '[::1', '()', 'a'.repeat(300), 'a'.repeat(5000),
    ';'.repeat(200), ','.repeat(200), '<'.repeat(200), '"'.repeat(201), '('.repeat(200), ' '.repeat(500), '../../', 'sip:sip:sip:', ';lr;lr', ';tag=;tag=',
  ]; // prettier-ignore

  function* mutations(): Generator<Buffer> {
    for (const [index, line] of invite.entries()) {
      const parts = line.split(/(?<=[ :;@=<>/,])|(?=[ :;@=<>/,])/);
      for (let part = 0; part < parts.length; part++) {
        for (const anomaly of anomalies) {
          const mutated = [...parts.slice(0, part), anomaly, ...parts.slice(part + 1)].join('');
          yield message(invite.with(index, mutated), 'v=0\n');
        }
      }
    }
  }

  function readAll(bytes: Buffer): void {
    const parsed = parseMessage(bytes);
    const reads: (() => unknown)[] = [
      () => parsed.vias,
      () => parsed.contacts,
      () => parsed.addresses('route').map((address) => address.uri),
      () => (parsed.from.uri, parsed.to.uri, parsed.expires),
      () => parseMessage(parsed.print()),
    ];
    for (const read of reads) expectOnlyOwnError(read);
  }

  function expectOnlyOwnError(call: () => unknown): boolean {
    try {
      call();
      return true;
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error;
      return false;
    }
  }

  it('thousands of malformed INVITEs give a refusal or a message, nothing else', () => {
    let count = 0;
    let refused = 0;
    for (const bytes of mutations()) {
      count++;
      if (!expectOnlyOwnError(() => readAll(bytes))) refused++;
    }
    expect(count).toBeGreaterThan(4500);
    expect(refused).toBeGreaterThan(count / 3);
  });

  it('any bytes, and any cut or flip of a valid message, give a refusal or a message', () => {
    const valid = message(invite, 'v=0\n');
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        (bytes) => void expectOnlyOwnError(() => readAll(Buffer.from(bytes))),
      ),
    );
    const flip = fc.tuple(fc.nat(valid.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(flip, { minLength: 1, maxLength: 4 }), fc.nat(valid.length), (flips, end) => {
        const bytes = Buffer.from(valid);
        for (const [at, byte] of flips) bytes[at] = byte;
        expectOnlyOwnError(() => readAll(bytes));
        expectOnlyOwnError(() => readAll(valid.subarray(0, end)));
      }),
      { numRuns: 500 },
    );
  });

  it('the worst 32 KiB of each kind are refused or read without a second look at any byte', () => {
    const size = DEFAULT_LIMITS.maxMessageBytes - 700;
    const fillers = [
      ';a',
      ',',
      '"\\',
      '<',
      ' ',
      '\r\n ',
      ';a=b',
      ', <sip:a@b>',
      '%',
      '\\',
      '?a=b&',
      '@',
      ':',
      '/',
    ];
    for (const filler of fillers) {
      for (const index of [0, 1, 3, 4, 7, 8]) {
        const line = (invite[index] ?? '') + filler.repeat(Math.floor(size / filler.length));
        expectOnlyOwnError(() => readAll(message(invite.with(index, line), 'v=0\n')));
      }
    }
  });
});
