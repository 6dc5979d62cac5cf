// Netstrings, `<length>:<bytes>,`: the framing of baresip's control port.

/** Prints one netstring. */
export function printNetstring(text: string): string {
  return `${Buffer.byteLength(text)}:${text},`;
}

/** Takes bytes in any pieces, gives back whole strings. */
export class NetstringReader {
  #rest: Buffer = Buffer.alloc(0);

  read(chunk: Buffer): string[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const whole: string[] = [];
    for (;;) {
      const colon = this.#rest.indexOf(0x3a);
      if (colon < 0) return whole;
      const length = Number(this.#rest.toString('latin1', 0, colon));
      const end = colon + 1 + length;
      if (!Number.isInteger(length) || this.#rest.length <= end) return whole;
      whole.push(this.#rest.toString('utf8', colon + 1, end));
      this.#rest = this.#rest.subarray(end + 1);
    }
  }
}
