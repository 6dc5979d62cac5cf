// A link of the portable engine: one remote 5-tuple on a trunk port, streams told apart by the ChannelData header
// (RFC 8656 §12.4). Trusts the source address only because a STUN exchange has proven it; a channel that is not
// set up, or a length that does not match the datagram, is dropped and counted.
import type { TransportAddress, UdpSocket } from '../../turn/index.ts';
import { CHANNEL_HEADER_BYTES, FIRST_CHANNEL, type LinkCounters } from '../engine.ts';

/** What a link delivers to. */
export interface ChannelReceiver {
  fromChannel(packet: Buffer): void;
}

export class Link {
  remote: TransportAddress | undefined;
  #port: UdpSocket;
  readonly #channels = new Map<number, ChannelReceiver>();
  readonly #counters = { packetsIn: 0, packetsOut: 0, unknownChannel: 0, malformed: 0 };

  constructor(port: UdpSocket, remote: TransportAddress | undefined) {
    this.#port = port;
    this.remote = remote;
  }

  counters(): LinkCounters {
    return { ...this.#counters };
  }

  /** Sends from this port from now on. */
  use(port: UdpSocket): void {
    this.#port = port;
  }

  /** False when the channel is taken or outside 0x4000 to 0xFFFF. */
  join(channel: number, receiver: ChannelReceiver): boolean {
    if (this.#channels.has(channel) || channel < FIRST_CHANNEL || channel > 0xffff) return false;
    this.#channels.set(channel, receiver);
    return true;
  }

  leave(channel: number): void {
    this.#channels.delete(channel);
  }

  /** | channel, 16 bits | length, 16 bits | packet … */
  receive(datagram: Buffer): void {
    this.#counters.packetsIn += 1;
    if (datagram.length < CHANNEL_HEADER_BYTES || datagram.readUInt16BE(2) !== datagram.length - 4) {
      this.#counters.malformed += 1;
      return;
    }
    const receiver = this.#channels.get(datagram.readUInt16BE(0));
    if (receiver === undefined) this.#counters.unknownChannel += 1;
    else receiver.fromChannel(datagram.subarray(CHANNEL_HEADER_BYTES));
  }

  /** Sends `framed`, whose first four bytes are free for the header. False when there is nowhere to send. */
  send(framed: Buffer, channel: number): boolean {
    if (this.remote === undefined) return false;
    framed.writeUInt16BE(channel, 0);
    framed.writeUInt16BE(framed.length - CHANNEL_HEADER_BYTES, 2);
    this.#counters.packetsOut += 1;
    return this.#port.send(framed, this.remote.address, this.remote.port);
  }
}
