// Reading and rewriting one media section: what is ours changes, the rest stays byte for byte.
import { describe, expect, test } from 'vitest';
import { parseSdp, printSdp } from '../../sip/sdp/index.ts';
import { profile, readSection, writeSection, writeSession } from './section.ts';

const describeMedia = (...lines: string[]): ReturnType<typeof parseSdp> =>
  parseSdp(
    Buffer.from(
      [
        'v=0',
        'o=x 1 1 IN IP4 10.1.1.1',
        's=-',
        'c=IN IP4 10.1.1.1',
        'b=AS:64',
        't=0 0',
        'k=prompt',
        'a=csup:cap-v0',
        'a=group:BUNDLE 1',
        'a=ice-lite',
        'a=X-cisco-srtp-fallback',
        'a=tool:phone',
        ...lines,
        '',
      ].join('\r\n'),
    ),
  );
const read = (...lines: string[]): ReturnType<typeof readSection> => readSection(describeMedia(...lines), 0);

describe('reading', () => {
  test.each([
    ['RTP/AVP', 'rtp', false],
    ['rtp/savp', 'rtp', true],
    ['RTP/AVPF', 'rtp', false],
    ['RTP/SAVPF', 'rtp', true],
    ['UDP/TLS/RTP/SAVPF', 'unsupported', false],
    ['UDP/BFCP', 'opaque', false],
    ['UDP/UDT/IX', 'opaque', false],
    ['TCP/BFCP', 'unsupported', false],
    ['udptl', 'unsupported', false],
    ['UDP/DTLS/SCTP', 'unsupported', false],
  ])('%s is %s', (protocol, content, secure) => {
    expect(read(`m=audio 4000 ${protocol} 0`)).toMatchObject({ content, secure, active: true });
  });

  test.each([
    ['plain', [], { rtp: { address: '10.1.1.1', port: 4000 }, rtcp: { address: '10.1.1.1', port: 4001 } }],
    ['own c=', ['c=IN IP4 10.2.2.2'], { rtp: { address: '10.2.2.2', port: 4000 } }],
    ['held', ['c=IN IP4 0.0.0.0'], { rtp: undefined, rtcp: undefined }],
    ['a=rtcp', ['a=rtcp:5005'], { rtcp: { address: '10.1.1.1', port: 5005 } }],
    ['mux', ['a=rtcp-mux'], { mux: true }],
    ['music', ['a=sendonly'], { sendOnly: true }],
  ])('%s', (_name, lines, expected) => {
    expect(read('m=audio 4000 RTP/AVP 0', ...lines)).toMatchObject(expected);
  });

  test('RTCP after port 65535 goes nowhere', () => {
    expect(read('m=audio 65535 RTP/AVP 0').rtcp).toBeUndefined();
  });
});

describe('writing', () => {
  const own = {
    address: '192.0.2.1',
    port: 36002,
    protocol: 'RTP/SAVP',
    crypto: ['1 X inline:k'],
    mux: true,
  };

  test('ours replaced, the rest kept in order', () => {
    const sdp = describeMedia(
      'm=audio 4000 RTP/AVP 0 101',
      'c=IN IP4 10.2.2.2',
      'a=crypto:9 Y inline:z',
      'a=rtpmap:0 PCMU/8000',
      'a=candidate:1 1 UDP 1 10.2.2.2 4000 typ host',
      'a=ice-ufrag:x',
      'a=rtcp:4009',
      'a=fingerprint:sha-256 AA',
      'k=clear:z',
      'a=acap:1 crypto:1 Y inline:z',
      'a=tcap:1 RTP/SAVP',
      'a=pcfg:1 t=1 a=1',
      'a=altc:1 IP4 10.2.2.2 4000',
      'a=source-filter: incl IN IP4 * 10.2.2.2',
      'a= Crypto :9 Y inline:z',
      'a=sendonly',
      'a=Mystery',
    );
    const media = [writeSection(sdp.media[0]!, 'rtp', own)];
    const session = writeSession(sdp.session, own.address, false, media);
    expect(printSdp({ session, media }).toString().split('\r\n')).toEqual([
      'v=0',
      'o=x 1 1 IN IP4 10.1.1.1',
      's=-',
      'c=IN IP4 192.0.2.1',
      'b=AS:64',
      't=0 0',
      'a=tool:phone',
      'm=audio 36002 RTP/SAVP 0 101',
      'c=IN IP4 192.0.2.1',
      'a=rtpmap:0 PCMU/8000',
      'a=sendonly',
      'a=Mystery',
      'a=crypto:1 X inline:k',
      'a=rtcp-mux',
      '',
    ]);
  });

  test('an opaque section keeps its DTLS parameters', () => {
    const sdp = describeMedia(
      'm=application 4 UDP/DTLS/BFCP *',
      'a=fingerprint:sha-256 AA',
      'a=setup:actpass',
    );
    const written = writeSection(sdp.media[0]!, 'opaque', { ...own, crypto: [], mux: false });
    expect(written.lines.map((line) => line.value)).toEqual(['fingerprint:sha-256 AA', 'setup:actpass']);
  });

  test('DTLS parameters of the whole description stay only where a section is relayed with its DTLS', () => {
    const session = parseSdp(
      Buffer.from(
        'v=0\r\no=x 1 1 IN IP4 10.1.1.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 AA\r\na=setup:active\r\n',
      ),
    ).session;
    const relayed = describeMedia('m=application 4 UDP/TLS/BFCP *').media;
    const refused = describeMedia('m=application 0 UDP/TLS/BFCP *').media;
    expect(writeSession(session, '192.0.2.1', false, relayed)).toHaveLength(6);
    expect(writeSession(session, '192.0.2.1', false, refused)).toHaveLength(4);
  });

  test('hold by 0.0.0.0 stays, fallback is said where asked', () => {
    const sdp = describeMedia('m=audio 4000 RTP/AVP 0', 'c=IN IP4 0.0.0.0');
    expect(writeSection(sdp.media[0]!, 'rtp', own).lines[0]!.value).toBe('IN IP4 0.0.0.0');
    expect(writeSession(sdp.session, '192.0.2.1', true, []).at(-1)!.value).toBe('X-cisco-srtp-fallback');
  });

  test.each([
    ['RTP/AVP', true, 'RTP/SAVP'],
    ['RTP/SAVPF', false, 'RTP/AVPF'],
    ['RTP/SAVP', true, 'RTP/SAVP'],
  ])('profile of %s, secure %s', (protocol, secure, expected) => {
    expect(profile(protocol, secure)).toBe(expected);
  });
});
