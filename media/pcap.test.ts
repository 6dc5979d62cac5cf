// A captured packet as Wireshark would read it, IPv4 and IPv6, and the order of time.
import { expect, test } from 'vitest';
import { printPcap } from './pcap.ts';

const packet = (atMs: number, text: string, six = false) => ({
  atMs,
  flow: 1,
  length: 1000,
  bytes: Buffer.from(text),
  from: { address: six ? '2001:db8::1' : '192.0.2.1', port: 36_002 },
  to: { address: six ? '2001:db8::2' : '192.0.2.2', port: 16_384 },
});

test('headers of both families, cut packets keep their length, time is that of the day', () => {
  const file = printPcap([packet(2000.5, 'later', true), packet(1000, 'first')], 1_700_000_000_000);
  expect(file.subarray(0, 24).toString('hex')).toBe('d4c3b2a1020004000000000000000000ffff000065000000');
  expect(file.readUInt32LE(24)).toBe(1_700_000_001);
  expect([file.readUInt32LE(32), file.readUInt32LE(36)]).toEqual([33, 1028]);
  const four = file.subarray(40, 60);
  let sum = 0;
  for (let at = 0; at < 20; at += 2) sum += four.readUInt16BE(at);
  expect((sum & 0xffff) + (sum >>> 16)).toBe(0xffff);
  expect(file.subarray(60, 73).toString('hex')).toBe('8ca2400003f000006669727374');
  expect([file.readUInt32LE(73), file.readUInt32LE(77)]).toEqual([1_700_000_002, 500]);
  expect(file.subarray(89, 97).toString('hex')).toBe('6000000003f01140');
  expect(file.length).toBe(89 + 40 + 8 + 5);
});
