import { expect, test } from 'vitest';
import {
  answerDirection,
  type DescriptionParts,
  DescriptionError,
  parseDescription,
  printDescription,
} from './session-description.ts';

const parts: DescriptionParts = {
  user: '1001',
  sessionId: 7,
  version: 1,
  address: '192.0.2.1',
  port: 20_000,
  direction: 'sendrecv',
  isSecure: true,
  keys: [{ tag: 1, suite: 'AES_CM_128_HMAC_SHA1_80', inline: Buffer.alloc(30, 1).toString('base64') }],
  rtcpMux: true,
};

test.each([
  ['secure', parts],
  ['plain and held', { ...parts, isSecure: false, keys: [], rtcpMux: false, direction: 'sendonly' as const }],
  ['without a port: rejected', { ...parts, port: 0 }],
])('what is written is read again: %s', (_, written) => {
  const { user: _user, sessionId: _id, version: _version, ...expected } = written;
  expect(parseDescription(printDescription(written))).toEqual(expected);
});

test('stream values win over session values, key parameters are cut', () => {
  const text = `v=0\r\nc=IN IP4 10.0.0.1\r\na=inactive\r\nm=video 1 RTP/AVP 96\r\nm=audio 4 RTP/SAVP 8 0\r\nc=IN IP4 10.0.0.2\r
a=crypto:2 AEAD_AES_256_GCM inline:QUJD|2^31|1:1\r\nm=application 5 UDP/BFCP *\r\na=sendonly\r\n`;
  expect(parseDescription(Buffer.from(text))).toMatchObject({
    address: '10.0.0.2',
    port: 4,
    direction: 'inactive',
    keys: [{ tag: 2, suite: 'AEAD_AES_256_GCM', inline: 'QUJD' }],
  });
});

test.each([
  ['no audio', 'v=0\r\nm=video 1 RTP/AVP 0\r\n'],
  ['no common codec', 'v=0\r\nm=audio 1 RTP/AVP 9\r\n'],
  ['nothing', ''],
])('%s is an error', (_, text) => {
  expect(() => parseDescription(Buffer.from(text))).toThrow(DescriptionError);
});

test.each([
  ['sendrecv', 'sendrecv'],
  ['sendonly', 'recvonly'],
  ['recvonly', 'sendonly'],
  ['inactive', 'inactive'],
] as const)('an offer of %s is answered with %s', (offered, answered) =>
  expect(answerDirection(offered)).toBe(answered),
);
