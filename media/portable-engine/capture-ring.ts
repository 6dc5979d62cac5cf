// The latest packets of a call, for an operator who has asked to see them: a ring of slots, the oldest gives way.
// Holds whatever the flow carries, which may be speech; never a key. Bounded by its two sizes, allocated at once.
import type { CapturedPacket, CaptureSpec, FlowId } from '../engine.ts';

interface Slot {
  readonly atMs: number;
  readonly flow: FlowId;
  readonly length: number;
  readonly kept: number;
}

export class CaptureRing {
  readonly #spec: CaptureSpec;
  readonly #bytes: Buffer;
  readonly #slots: Slot[] = [];
  #taken = 0;

  constructor(spec: CaptureSpec) {
    this.#spec = spec;
    this.#bytes = Buffer.alloc(spec.packets * spec.snapBytes);
  }

  add(flow: FlowId, atMs: number, packet: Buffer): void {
    const slot = this.#taken % this.#spec.packets;
    const kept = packet.copy(this.#bytes, slot * this.#spec.snapBytes, 0, this.#spec.snapBytes);
    this.#slots[slot] = { atMs, flow, length: packet.length, kept };
    this.#taken += 1;
  }

  /** Oldest first. */
  read(): CapturedPacket[] {
    const { packets, snapBytes } = this.#spec;
    const count = Math.min(this.#taken, packets);
    return Array.from({ length: count }, (_, index) => {
      const slot = (this.#taken - count + index) % packets;
      const { kept, ...rest } = this.#slots[slot]!;
      const bytes = Buffer.from(this.#bytes.subarray(slot * snapBytes, slot * snapBytes + kept));
      return { ...rest, bytes };
    });
  }
}
