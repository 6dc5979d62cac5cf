// What a stream has lost on its way and how unevenly it comes: RFC 3550 A.1, A.3, A.8. Of the SSRC heard last; what
// former ones had lost stays counted. The native twin is native/src/rtp-reception.cc. Memory: ten numbers.

const MAX_DROPOUT = 3000;
const MAX_MISORDER = 100;

export class RtpReception {
  /** Packets missing between those that came. */
  lost = 0;
  jitterMs = 0;
  #ssrc = -1;
  /** Extended sequence numbers. */
  #base = 0;
  #highest = 0;
  /** The sequence number that would confirm a jump; -1 for none. */
  #expected = -1;
  #received = 0;
  #lostBefore = 0;
  /** In units of the RTP clock. */
  #arrival = 0;
  #timestamp = 0;
  #jitter = 0;

  /** An RTP packet that passed, of at least 12 bytes. */
  take(packet: Buffer, nowMs: number, clockRate: number): void {
    const sequence = packet.readUInt16BE(2);
    const ssrc = packet.readUInt32BE(8);
    const timestamp = packet.readUInt32BE(4);
    const arrival = (nowMs * clockRate) / 1000;
    const apart = Math.abs(arrival - this.#arrival - ((timestamp - this.#timestamp) | 0));
    if (ssrc !== this.#ssrc) {
      this.#lostBefore = this.#ssrc < 0 ? 0 : this.#lostBefore + this.#lostNow();
      this.#ssrc = ssrc;
      this.#restart(sequence);
    } else if (!this.#count(sequence, apart)) {
      return;
    }
    this.#arrival = arrival;
    this.#timestamp = timestamp;
    this.lost = this.#lostBefore + this.#lostNow();
    this.jitterMs = clockRate === 0 ? 0 : (this.#jitter * 1000) / clockRate;
  }

  #restart(sequence: number): void {
    this.#base = sequence;
    this.#highest = sequence;
    this.#expected = -1;
    this.#received = 1;
    this.#jitter = 0;
  }

  /** False for a packet so far away that it belongs to no sequence yet (A.1). */
  #count(sequence: number, apart: number): boolean {
    const ahead = (sequence - this.#highest) & 0xffff;
    if (ahead >= MAX_DROPOUT && ahead <= 65536 - MAX_MISORDER) {
      const confirmed = sequence === this.#expected;
      this.#expected = confirmed ? -1 : (sequence + 1) & 0xffff;
      if (!confirmed) return false;
      this.#lostBefore += this.#lostNow();
      this.#restart(sequence);
      return true;
    }
    if (ahead < MAX_DROPOUT) this.#highest += ahead;
    this.#received += 1;
    this.#jitter += (apart - this.#jitter) / 16;
    return true;
  }

  #lostNow(): number {
    return Math.max(0, this.#highest - this.#base + 1 - this.#received);
  }
}
