// The data path of one allocation as values (RFC 8656 §11, §12): bytes of a client ↔ payload and peer. No socket, no
// clock: permissions and channels come and go by the machine's word. Every packet is checked against the permissions
// in both directions; what has none is dropped and counted, never answered. An engine calls this once per packet.
import { CHANNEL_DATA_HEADER_BYTES, looksLikeChannelData, printChannelData } from '../channel-data.ts';
import type { TransportAddress } from '../ip-address.ts';
import { portAllowed, type PeerPorts } from '../policy/peer-policy.ts';
import { printDataIndication, readSendIndication } from './indications.ts';

/** Payload that fits a Data indication: STUN's 65,532 bytes less XOR-PEER-ADDRESS of IPv6 and the header of DATA. */
const MAX_DATA_BYTES = 65_532 - 24 - 4;

/** Why a packet went nowhere. */
export type RelayDrop =
  | 'malformed'
  | 'unknown-channel'
  | 'no-permission'
  | 'port-denied'
  | 'no-relay'
  | 'no-allocation'
  | 'client-slow'
  | 'socket-error';

/** A payload on its way to a peer, from the relay of that family. */
export interface Outbound {
  readonly six: boolean;
  readonly payload: Buffer;
  readonly address: string;
  readonly port: number;
}

interface Channel {
  readonly number: number;
  readonly peer: TransportAddress;
}

/** An announced address of ours and where it is really reached on this machine. */
export interface OwnAddress {
  readonly announced: string;
  readonly reachable: string;
}

export class RelayPath {
  readonly #own: readonly OwnAddress[];
  /** True: ChannelData to the client is padded, as streams ask (§12.5). */
  #padded: boolean;
  readonly #permissions = new Map<string, PeerPorts>();
  readonly #channels = new Map<number, Channel>();
  /** Address → port → channel: no text is made per packet. */
  readonly #channelOf = new Map<string, Map<number, number>>();

  constructor(options: { readonly own: readonly OwnAddress[]; readonly padded: boolean }) {
    this.#own = options.own.filter(({ announced, reachable }) => announced !== reachable);
    this.#padded = options.padded;
  }

  /** The client moved between a stream and datagrams. */
  setPadded(padded: boolean): void {
    this.#padded = padded;
  }

  permit(address: string, ports: PeerPorts): void {
    this.#permissions.set(address, ports);
  }

  forbid(address: string): void {
    this.#permissions.delete(address);
  }

  bindChannel(number: number, peer: TransportAddress): void {
    this.#channels.set(number, { number, peer });
    const ports = this.#channelOf.get(peer.address) ?? new Map<number, number>();
    this.#channelOf.set(peer.address, ports.set(peer.port, number));
  }

  unbindChannel(number: number): void {
    const channel = this.#channels.get(number);
    if (channel === undefined) return;
    this.#channels.delete(number);
    const ports = this.#channelOf.get(channel.peer.address);
    ports?.delete(channel.peer.port);
    if (ports?.size === 0) this.#channelOf.delete(channel.peer.address);
  }

  /** One ChannelData message or Send indication of the client. */
  fromClient(bytes: Buffer): Outbound | RelayDrop {
    if (!looksLikeChannelData(bytes)) return this.#fromSend(bytes);
    const end = CHANNEL_DATA_HEADER_BYTES + bytes.readUInt16BE(2);
    if (end > bytes.length) return 'malformed';
    const channel = this.#channels.get(bytes.readUInt16BE(0));
    if (channel === undefined) return 'unknown-channel';
    return this.#toPeer(
      bytes.subarray(CHANNEL_DATA_HEADER_BYTES, end),
      channel.peer.address,
      channel.peer.port,
    );
  }

  #fromSend(bytes: Buffer): Outbound | RelayDrop {
    const send = readSendIndication(bytes);
    return send === undefined ? 'malformed' : this.#toPeer(send.payload, send.peer.address, send.peer.port);
  }

  #toPeer(payload: Buffer, address: string, port: number): Outbound | RelayDrop {
    if (!this.#permissions.has(address)) return 'no-permission';
    if (!portAllowed(this.#permissions.get(address), port)) return 'port-denied';
    return { six: address.includes(':'), payload, address: this.#reachable(address), port };
  }

  /** What the client gets of a packet that a relay received; `transactionId` is for a Data indication. */
  fromPeer(payload: Buffer, from: string, port: number, transactionId: () => Buffer): Buffer | RelayDrop {
    const address = this.#announced(from);
    if (!this.#permissions.has(address)) return 'no-permission';
    if (!portAllowed(this.#permissions.get(address), port)) return 'port-denied';
    const channel = this.#channelOf.get(address)?.get(port);
    if (channel !== undefined) return printChannelData(channel, payload, this.#padded);
    if (payload.length > MAX_DATA_BYTES) return 'malformed';
    return printDataIndication(payload, { address, port }, transactionId());
  }

  /** Our own announced address is reached without going out to a NAT that may not turn packets round. */
  #reachable(address: string): string {
    for (const own of this.#own) if (own.announced === address) return own.reachable;
    return address;
  }

  #announced(address: string): string {
    for (const own of this.#own) if (own.reachable === address) return own.announced;
    return address;
  }
}
