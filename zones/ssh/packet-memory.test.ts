import { assert, integer, property } from 'fast-check';
import { expect, it } from 'vitest';
import { PacketMemory, paddingBytes } from './packet-memory.ts';
import { gcmCipherPrototype } from './ssh2-internals.ts';

it('the compiled cipher of this ssh2 builds packets as we expect', () => {
  expect(gcmCipherPrototype()?.allocPacket).toBeTypeOf('function');
});

it('a packet is whole blocks with at least four bytes of padding, and says so (RFC 4253 §6, RFC 5647 §7.2)', () => {
  const memory = new PacketMemory();
  assert(
    property(integer({ min: 1, max: 70_000 }), (payloadBytes) => {
      const packet = memory.packet(payloadBytes);
      const length = packet.readUInt32BE(0);
      expect(packet.length).toBe(4 + length + 16);
      expect(length % 16).toBe(0);
      expect(length).toBe(1 + payloadBytes + (packet[4] ?? 0));
      expect(packet[4]).toBe(paddingBytes(payloadBytes));
      expect(packet[4]).toBeGreaterThanOrEqual(4);
    }),
  );
});

it('no padding is used twice', () => {
  const memory = new PacketMemory();
  const seen = new Set<string>();
  const payloadBytes = 16; // 15 bytes of padding
  for (let at = 0; at < 10_000; at++) {
    const packet = memory.packet(payloadBytes);
    seen.add(packet.subarray(5 + payloadBytes, -16).toString('latin1'));
  }
  expect(seen.size).toBe(10_000);
});
