// SDP: faithful printing, strict lines, what a section says, and SDES keys.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  attributes,
  connectionAddress,
  direction,
  parseCrypto,
  parseSdp,
  printCrypto,
  printSdp,
  refusedMedia,
  rtcpAddress,
  SdpError,
  withConnection,
  withOrigin,
  withoutAttributes,
} from './index.ts';

const PHONE = [
  'v=0',
  'o=Cisco-SIPUA 11022 0 IN IP4 192.168.1.9',
  's=SIP Call',
  'c=IN IP4 192.168.1.9',
  'b=AS:4064',
  't=0 0',
  'a=cisco-mari:v1',
  'm=audio 21092 RTP/SAVP 114 9 124 0 8 101',
  'a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz',
  'a=rtpmap:114 opus/48000/2',
  'a=sendonly',
  'm=application 21094 UDP/BFCP *',
  'c=IN IP6 2001:db8::9',
  'a=rtcp:4000 IN IP4 192.0.2.4',
  'a=X-umlaut:\u00e4',
  '',
].join('\r\n');
const phone = (): string[] => PHONE.split('\r\n');
const parse = (text: string): ReturnType<typeof parseSdp> => parseSdp(Buffer.from(text, 'latin1'));

describe('parse and print', () => {
  test.each([
    ['CRLF', PHONE],
    ['LF', PHONE.replaceAll('\r\n', '\n')],
    ['mixed', PHONE.replace('\r\n', '\n')],
    ['no media', PHONE.slice(0, PHONE.indexOf('m='))],
  ])('%s prints as it came', (_name, text) => {
    expect(printSdp(parse(text)).toString('latin1')).toBe(text);
  });

  test('a missing last line end is added', () => {
    expect(printSdp(parse(PHONE.trimEnd())).toString('latin1')).toBe(PHONE);
  });

  const without = (start: string): string =>
    phone()
      .filter((line) => !line.startsWith(start))
      .join('\r\n');
  const replaced = (start: string, line: string): string =>
    phone()
      .map((old) => (old.startsWith(start) ? line : old))
      .join('\r\n');

  test.each([
    ['empty', '', 'bad-version'],
    ['version 1', replaced('v=', 'v=1'), 'bad-version'],
    ['no origin', without('o='), 'missing-line'],
    ['no session name', without('s='), 'missing-line'],
    ['no time', without('t='), 'missing-line'],
    ['no connection for audio', PHONE.replace('c=IN IP4 192.168.1.9\r\n', ''), 'missing-line'],
    ['five fields of origin', replaced('o=', 'o=x 1 1 IN IP4'), 'bad-origin'],
    ['origin number of 21 digits', replaced('o=', `o=x ${'9'.repeat(21)} 1 IN IP4 1.1.1.1`), 'bad-origin'],
    ['connection to a name', replaced('c=IN IP4', 'c=IN IP4 db.inside.example'), 'bad-connection'],
    ['connection to multicast', replaced('c=IN IP4', 'c=IN IP4 224.2.1.1/127'), 'bad-connection'],
    ['connection to bare multicast', replaced('c=IN IP4', 'c=IN IP4 239.1.1.1'), 'bad-connection'],
    ['connection with zone', replaced('c=IN IP6', 'c=IN IP6 fe80::1%eth0'), 'bad-connection'],
    ['IPv6 said to be IPv4', replaced('c=IN IP4', 'c=IN IP4 ::1'), 'bad-connection'],
    ['connection twice', PHONE.replace('b=AS', 'c=IN IP4 1.1.1.1\r\nb=AS'), 'bad-line'],
    ['m= of three fields', replaced('m=audio', 'm=audio 1 RTP/AVP'), 'bad-media'],
    ['m= of two spaces', replaced('m=audio', 'm=audio  1 RTP/AVP 0'), 'bad-media'],
    ['m= port count', replaced('m=audio', 'm=audio 1/2 RTP/AVP 0'), 'bad-media'],
    ['m= port 65536', replaced('m=audio', 'm=audio 65536 RTP/AVP 0'), 'bad-media'],
    ['m= negative port', replaced('m=audio', 'm=audio -1 RTP/AVP 0'), 'bad-media'],
    ['NUL', replaced('b=', 'b=\0'), 'bad-line'],
    ['bare CR', replaced('b=', 'b=A\rc=IN IP4 1.1.1.1'), 'bad-line'],
    ['no equals sign', replaced('b=', 'hello'), 'bad-line'],
    ['upper case letter', replaced('b=', 'B=AS:1'), 'bad-line'],
    ['empty line inside', replaced('b=', ''), 'bad-line'],
    ['33 KiB', PHONE + `a=x\r\n`.repeat(7000), 'too-long'],
    ['line of 4,097', replaced('b=', `b=${'x'.repeat(4095)}y\r\nb=${'z'.repeat(4097)}`), 'too-long'],
    ['1,001 lines', PHONE + 'a=x\r\n'.repeat(1000), 'too-many-lines'],
    ['17 media', PHONE + 'm=audio 0 RTP/AVP 0\r\n'.repeat(15), 'too-many-media'],
  ])('%s is refused', (_name, text, reason) => {
    expect(() => parse(text)).toThrow(expect.objectContaining({ reason }));
  });

  test('mutations: a description or SdpError, and what parses prints the same', () => {
    const mutation = fc.tuple(
      fc.nat(PHONE.length),
      fc.nat(3),
      fc.constantFrom('', '\r', '\n', '\0', '=', ' ', 'm=', '9'),
    );
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 4 }), (mutations) => {
        let text = PHONE;
        for (const [at, cut, insert] of mutations) text = text.slice(0, at) + insert + text.slice(at + cut);
        try {
          const printed = printSdp(parse(text)).toString('latin1');
          expect([text, `${text}\r\n`]).toContain(printed);
        } catch (error) {
          expect(error).toBeInstanceOf(SdpError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('what a section says', () => {
  const sdp = parse(PHONE);
  const [audio, floor] = [sdp.media[0]!, sdp.media[1]!];

  test('address, RTCP and direction', () => {
    expect(connectionAddress(sdp, audio)).toBe('192.168.1.9');
    expect(connectionAddress(sdp, floor)).toBe('2001:db8::9');
    expect(rtcpAddress(sdp, audio)).toEqual({ address: '192.168.1.9', port: 21093 });
    expect(rtcpAddress(sdp, floor)).toEqual({ address: '192.0.2.4', port: 4000 });
    expect(direction(sdp, audio)).toBe('sendonly');
    expect(direction(sdp, floor)).toBe('sendrecv');
  });

  test.each(['0', '65536', 'x', '4000 IN IP4 name', '4000 IN IP4'])('a=rtcp:%s is refused', (value) => {
    const odd = parse(PHONE.replace('a=rtcp:4000 IN IP4 192.0.2.4', `a=rtcp:${value}`));
    expect(() => rtcpAddress(odd, odd.media[1]!)).toThrow(SdpError);
  });
});

test('edits touch only what they name', () => {
  const sdp = parse(PHONE);
  const edited = withOrigin(
    {
      session: withConnection(sdp.session, '203.0.113.5'),
      media: [
        { ...sdp.media[0]!, port: 36002, lines: withoutAttributes(sdp.media[0]!.lines, new Set(['crypto'])) },
        refusedMedia(sdp.media[1]!, 'UDP/BFCP'),
      ],
    },
    '- 1 1 IN IP4 203.0.113.5',
  );
  const kept = new Set(printSdp(edited).toString('latin1').split('\r\n'));
  expect(
    phone()
      .filter((line) => !kept.has(line))
      .map((line) => line.slice(0, 8)),
  ).toEqual(['o=Cisco-', 'c=IN IP4', 'm=audio ', 'a=crypto', 'm=applic', 'c=IN IP6', 'a=rtcp:4', 'a=X-umla']);
});

describe('a=crypto', () => {
  const sizes = (suite: string): { keyBytes: number; saltBytes: number } | undefined =>
    suite === 'AES_CM_128_HMAC_SHA1_80' ? { keyBytes: 16, saltBytes: 14 } : undefined;
  const key = 'WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz';
  const line = `1 AES_CM_128_HMAC_SHA1_80 inline:${key}`;

  test('prints as it parses', () => {
    const parsed = parseCrypto(line, sizes);
    if (typeof parsed === 'string') throw new Error(parsed);
    expect(parsed.key.toString('latin1') + parsed.salt.toString('latin1')).toBe(
      Buffer.from(key, 'base64').toString('latin1'),
    );
    expect(printCrypto(parsed)).toBe(line);
    expect(parsed.mki).toEqual(Buffer.alloc(0));
  });

  test.each([
    ['lifetime', `${line}|2^31`, ''],
    ['lifetime and MKI', `${line}|2^31|1:4`, '00000001'],
    ['MKI', `${line}|258:2`, '0102'],
    ['long MKI', `${line}|7:9`, '000000000000000007'],
    ['window hint', `${line} WSH=64`, ''],
    ['trailing space', `${line} `, ''],
  ])('%s', (_name, value, mki) => {
    expect(parseCrypto(value, sizes)).toMatchObject({ tag: 1, mki: Buffer.from(mki, 'hex') });
  });

  test.each([
    ['empty', '', 'malformed'],
    ['no key', '1 AES_CM_128_HMAC_SHA1_80', 'malformed'],
    ['other method', `1 AES_CM_128_HMAC_SHA1_80 other:${key}`, 'malformed'],
    ['short key', '1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkg', 'malformed'],
    ['not base64', `1 AES_CM_128_HMAC_SHA1_80 inline:${key.replace('W', '!')}`, 'malformed'],
    ['other suite', `1 F8_128_HMAC_SHA1_80 inline:${key}`, 'unsupported'],
    ['two keys', `${line}|2^20|1:4;inline:${key}|2^20|2:4`, 'unsupported'],
    ['MKI too large', `${line}|256:1`, 'unsupported'],
    ['MKI length 0', `${line}|1:0`, 'unsupported'],
    ['MKI length 129', `${line}|1:129`, 'unsupported'],
    ['unencrypted', `${line} UNENCRYPTED_SRTP`, 'unsupported'],
    ['unauthenticated', `${line} UNAUTHENTICATED_SRTP`, 'unsupported'],
    ['key derivation rate', `${line} KDR=1`, 'unsupported'],
    ['unknown parameter', `${line} -X=1`, 'unsupported'],
  ])('%s is refused', (_name, value, refusal) => {
    expect(parseCrypto(value, sizes)).toBe(refusal);
  });

  test('every a=crypto line of a section is found, whatever its case', () => {
    const sdp = parse(PHONE.replace('a=crypto', 'a=Crypto'));
    expect(attributes(sdp.media[0]!.lines, 'crypto')).toEqual([line]);
  });
});
