// Our o= line: one id, a version that grows only when something else has changed.
import { expect, test } from 'vitest';
import { parseSdp } from '../../sip/sdp/index.ts';
import { LegOrigin } from './origin.ts';

const sdp = (user: string, version: number, extra = ''): ReturnType<typeof parseSdp> =>
  parseSdp(Buffer.from(`v=0\r\no=${user} 5 ${version} IN IP4 10.1.1.1\r\ns=-\r\nt=0 0\r\n${extra}`));
const originOf = (bytes: Buffer): string => /o=.*/.exec(bytes.toString())![0];

test('version follows changes, not the writer', () => {
  const origin = new LegOrigin(100);
  const print = (user: string, version: number, extra?: string): string =>
    originOf(origin.print(sdp(user, version, extra), '192.0.2.1'));
  expect(print('CiscoSystemsCCM-SIP', 1)).toBe('o=CiscoSystemsCCM-SIP 100 100 IN IP4 192.0.2.1');
  expect(print('CiscoSystemsCCM-SIP', 2)).toBe('o=CiscoSystemsCCM-SIP 100 100 IN IP4 192.0.2.1');
  expect(print('x', 3, 'a=sendonly\r\n')).toBe('o=x 100 101 IN IP4 192.0.2.1');
  expect(originOf(origin.print(sdp('x', 3), '2001:db8::1'))).toBe('o=x 100 102 IN IP6 2001:db8::1');
});
