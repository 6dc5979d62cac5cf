// Memory of outgoing SSH packets. ssh2 asks the system for the random padding of each packet (RFC 4253 §6), which
// costs more than encrypting it; here it is drawn in large pieces, each byte used once. What goes wrong: nothing but speed,
// if a later ssh2 builds packets otherwise its own way stays.
import { randomFillSync } from 'node:crypto';
import { gcmCipherPrototype } from './ssh2-internals.ts';

/** Drawn at once: enough for some thousand packets. */
const DRAWN_BYTES = 64 * 1024;
const LENGTH_FIELD = 4;
/** Length field and padding length byte. */
const HEADER = LENGTH_FIELD + 1;
const BLOCK = 16;
const TAG = 16;
const MIN_PADDING = 4;

/** Bytes of padding after `payloadBytes`: to whole blocks, the length field left out because it is not encrypted (RFC 5647 §7.2). */
export function paddingBytes(payloadBytes: number): number {
  const rest = BLOCK - ((1 + payloadBytes) % BLOCK);
  return rest < MIN_PADDING ? rest + BLOCK : rest;
}

/** Makes packets of AES-GCM: header, room for the payload, padding, room for the tag. */
export class PacketMemory {
  readonly #random = Buffer.alloc(DRAWN_BYTES);
  #used = DRAWN_BYTES;

  packet(payloadBytes: number): Buffer {
    const padding = paddingBytes(payloadBytes);
    const end = HEADER + payloadBytes + padding;
    const packet = Buffer.allocUnsafe(end + TAG);
    packet.writeUInt32BE(end - LENGTH_FIELD, 0);
    packet[LENGTH_FIELD] = padding;
    if (this.#used + padding > DRAWN_BYTES) {
      randomFillSync(this.#random);
      this.#used = 0;
    }
    this.#random.copy(packet, end - padding, this.#used, this.#used + padding);
    this.#used += padding;
    return packet;
  }
}

let installed = false;

/** Makes all connections of this process use it. Safe to call again. */
export function installPacketMemory(): void {
  const prototype = installed ? undefined : gcmCipherPrototype();
  installed = true;
  if (prototype === undefined) return;
  const memory = new PacketMemory();
  prototype.allocPacket = (payloadBytes) => memory.packet(payloadBytes);
}
