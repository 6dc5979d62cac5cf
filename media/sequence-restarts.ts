// A source that starts its sequence numbers over under the same SSRC: seen as RFC 3550 appendix A.1 does, by two
// consecutive packets far behind, and from then on moved to follow the last packet sent. Memory: two numbers.

export class SequenceRestarts {
  #offset: number;
  /** The sequence number that would confirm a restart; -1 for none. */
  #expected = -1;

  constructor(offset = 0) {
    this.#offset = offset;
  }

  /** How far sequence numbers are moved, modulo 65536. */
  get offset(): number {
    return this.#offset & 0xffff;
  }

  /** The sequence number under which a packet goes out. */
  moved(sequence: number): number {
    return (sequence + this.#offset) & 0xffff;
  }

  /** Asked about a packet far behind `highest`: true when it continues the one asked about before. */
  startsOver(sequence: number, highest: number): boolean {
    const confirmed = sequence === this.#expected;
    this.#expected = confirmed ? -1 : (sequence + 1) & 0xffff;
    if (confirmed) this.#offset = ((highest + 1) % 65536) - sequence;
    return confirmed;
  }
}
